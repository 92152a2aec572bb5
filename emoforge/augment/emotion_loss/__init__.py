"""The emotion-loss report on a corpus: codes, measures and hears every clip, and writes it up."""
