"""Small random coqui-tts checkpoints, as the official ones lie on disk."""

import json
import string
from pathlib import Path
from typing import Any

import torch

_LETTERS = string.ascii_lowercase + "äöüßąćęłńóśźżáéíñú"
_PUNCTUATION = "!'(),-.:;? "


def xtts(folder: Path, *, as_released: bool = False, seed: int = 1) -> Path:
    """XTTS-v2: config.json, model.pth, vocab.json. Its decoder and speaker encoder are full-size.

    as_released: model.pth holds the configuration as a pickled object, as Coqui's own does.
    """
    from tokenizers import Tokenizer, models
    from TTS.tts.configs.xtts_config import XttsArgs, XttsAudioConfig, XttsConfig
    from TTS.tts.models.xtts import Xtts

    folder.mkdir(parents=True, exist_ok=True)
    config = XttsConfig(
        model_args=XttsArgs(
            gpt_layers=2,
            gpt_n_model_channels=64,
            gpt_n_heads=2,
            gpt_max_audio_tokens=9,
            gpt_max_text_tokens=80,
            gpt_num_audio_tokens=1026,
            gpt_start_audio_token=1024,
            gpt_stop_audio_token=1025,
            gpt_use_perceiver_resampler=True,
            decoder_input_dim=64,
        ),
        languages=["en", "de", "es", "pl", "zh-cn", "ja"],
        temperature=0.75,
        top_p=0.85,
        repetition_penalty=5.0,
        gpt_cond_len=4,
        gpt_cond_chunk_len=2,
        max_ref_len=2,
    )
    special = ["[STOP]", "[UNK]", "[SPACE]", "[START]", *(f"[{one}]" for one in config.languages)]
    tokens = [*special, *_LETTERS, *_PUNCTUATION.strip()]
    tokenizer = Tokenizer(
        models.BPE({token: i for i, token in enumerate(tokens)}, [], unk_token="[UNK]")
    )
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "vocab.json"))
    config.save_json(str(folder / "config.json"))
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        config.model_args.gpt_number_text_tokens = len(tokens)
        config.model_args.gpt_start_text_token = tokens.index("[START]")
        config.model_args.gpt_stop_text_token = tokens.index("[STOP]")
        model = Xtts(config)
        # Random heads are nearly even: these prefer some codes, and the end in time.
        model.gpt.mel_head.weight.data.mul_(8)
        model.gpt.mel_head.bias.data[1025] += 2
        model.mel_stats.uniform_(0.5, 2)
    state = model.state_dict()
    if not as_released:
        torch.save({"config": config.to_dict(), "model": state}, folder / "model.pth")
        return folder
    classes = (XttsArgs, XttsAudioConfig)
    here = XttsArgs.__module__
    try:  # these were elsewhere when it was released
        for one in classes:
            one.__module__ = Xtts.__module__
        torch.save({"config": config, "model": state}, folder / "model.pth")
    finally:
        for one in classes:
            one.__module__ = here
    return folder


def _vits(config: Any, folder: Path, seed: int) -> Any:
    """Write config.json and model_file.pth of a VITS network."""
    from TTS.tts.models.vits import Vits

    config.save_json(str(folder / "config.json"))
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = Vits(config)
        # Random flows of the duration predictor do nothing, and the noise of the prior drowns it.
        for name, weight in model.named_parameters():
            if "duration_predictor" in name and name.endswith("proj.weight"):
                weight.data.normal_(0, 0.05)
        model.text_encoder.proj.weight.data.mul_(3)
    torch.save({"config": config.to_dict(), "model": model.state_dict()}, folder / "model_file.pth")
    return model


def _vits_config(**settings: Any) -> Any:
    from TTS.tts.configs.vits_config import VitsArgs, VitsConfig

    return VitsConfig(
        model_args=VitsArgs(
            hidden_channels=32,
            hidden_channels_ffn_text_encoder=64,
            num_layers_text_encoder=2,
            num_layers_flow=2,
            num_layers_posterior_encoder=2,
            upsample_initial_channel_decoder=32,
            init_discriminator=False,
            **settings.pop("model_args", {}),
        ),
        characters=_characters(),
        text_cleaner="multilingual_cleaners",
        use_phonemes=False,
        add_blank=True,
        **settings,
    )


def _characters() -> Any:
    from TTS.tts.configs.shared_configs import CharactersConfig

    return CharactersConfig(
        characters_class="TTS.tts.utils.text.characters.Graphemes",
        pad="_",
        blank="<BLNK>",
        characters=_LETTERS,
        punctuations=_PUNCTUATION,
    )


def vits(folder: Path, *, speakers: tuple[str, ...] = (), seed: int = 2) -> Path:
    """VITS with an embedding for each speaker, or with one voice: config.json, model_file.pth,
    speaker_ids.json."""
    folder.mkdir(parents=True, exist_ok=True)
    elsewhere = "/somewhere/else/speaker_ids.json"
    arguments = {
        "use_speaker_embedding": bool(speakers),
        "speaker_embedding_channels": 16,
    }
    config = _vits_config(model_args=arguments, run_name="tiny", phoneme_language="en-us")
    if speakers:
        file = folder / "speaker_ids.json"
        file.write_text(json.dumps({name: i for i, name in enumerate(speakers)}))
        config.model_args.speakers_file = str(file)
    _vits(config, folder, seed)
    if speakers:  # as the configuration leaves the machine that trained it
        text = (folder / "config.json").read_text()
        (folder / "config.json").write_text(
            text.replace(str(folder / "speaker_ids.json"), elsewhere)
        )
    return folder


def yourtts(folder: Path, *, seed: int = 3) -> Path:
    """YourTTS: config.json, model_file.pth, language_ids.json, speakers.json, config_se.json,
    model_se.pth.tar."""
    from TTS.config.shared_configs import BaseAudioConfig
    from TTS.encoder.configs.speaker_encoder_config import SpeakerEncoderConfig
    from TTS.encoder.utils.generic_utils import setup_encoder_model

    folder.mkdir(parents=True, exist_ok=True)
    encoder = SpeakerEncoderConfig(
        num_loader_workers=0,
        num_classes_in_batch=2,
        num_utter_per_class=2,
        audio=BaseAudioConfig(
            fft_size=512,
            win_length=400,
            hop_length=160,
            sample_rate=16000,
            preemphasis=0.97,
            num_mels=64,
            do_trim_silence=False,
        ),
        model_params={
            "model_name": "lstm",
            "input_dim": 64,
            "proj_dim": 64,
            "lstm_dim": 32,
            "num_lstm_layers": 2,
            "use_torch_spec": True,
        },
    )
    encoder.save_json(str(folder / "config_se.json"))
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        heard = setup_encoder_model(encoder)
    torch.save({"model": heard.state_dict()}, folder / "model_se.pth.tar")
    languages = {"en": 0, "fr-fr": 1, "pt-br": 2}
    (folder / "language_ids.json").write_text(json.dumps(languages))
    clips = {
        f"{name}/{i}.wav": {"name": name, "embedding": [0.1 * i + j] * 64}
        for j, name in enumerate(("female-en-5", "male-en-2"))
        for i in range(2)
    }
    (folder / "speakers.json").write_text(json.dumps(clips))
    config = _vits_config(
        model_args={
            "use_d_vector_file": True,
            "d_vector_dim": 64,
            "d_vector_file": [str(folder / "speakers.json")],
            "use_language_embedding": True,
            "embedded_language_dim": 4,
            "language_ids_file": str(folder / "language_ids.json"),
            "speaker_encoder_model_path": str(folder / "model_se.pth.tar"),
            "speaker_encoder_config_path": str(folder / "config_se.json"),
        },
        run_name="tiny multilingual",
    )
    config.audio.sample_rate = 16000
    _vits(config, folder, seed)
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace(str(folder), "/somewhere/else"))
    return folder


def glow_tts(folder: Path, *, seed: int = 4) -> Path:
    """Glow-TTS, which makes spectrograms: config.json, best_model.pth."""
    from TTS.tts.configs.glow_tts_config import GlowTTSConfig
    from TTS.tts.models.glow_tts import GlowTTS

    folder.mkdir(parents=True, exist_ok=True)
    config = GlowTTSConfig(
        hidden_channels_enc=16,
        hidden_channels_dec=16,
        hidden_channels_dp=16,
        num_flow_blocks_dec=2,
        num_block_layers=1,
        encoder_params={
            **GlowTTSConfig().encoder_params,
            "num_layers": 1,
            "hidden_channels_ffn": 16,
        },
        characters=_characters(),
        text_cleaner="multilingual_cleaners",
        use_phonemes=False,
        languages=["es"],
    )
    config.save_json(str(folder / "config.json"))
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = GlowTTS(config)
    torch.save({"model": model.state_dict()}, folder / "best_model.pth")
    return folder


def hifigan(folder: Path, *, seed: int = 5) -> Path:
    """A vocoder for it: config.json, model_file.pth."""
    from TTS.vocoder.configs import HifiganConfig
    from TTS.vocoder.models.gan import GAN

    folder.mkdir(parents=True, exist_ok=True)
    config = HifiganConfig()
    config.generator_model_params["upsample_initial_channel"] = 16
    config.save_json(str(folder / "config.json"))
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = GAN(config)
    torch.save({"model": model.state_dict()}, folder / "model_file.pth")
    return folder
