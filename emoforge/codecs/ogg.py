"""Sizes of the packets in an Ogg stream (RFC 3533)."""


def packet_sizes(stream: bytes) -> list[int]:
    """Bytes of every packet of a stream with one logical bitstream, its header packets first."""
    sizes = []
    size = at = 0
    while at < len(stream):
        segments = stream[at + 27 : at + 27 + stream[at + 26]]
        for segment in segments:
            size += segment
            # A segment of 255 bytes says that its packet goes on, on the next page if need be.
            if segment < 255:
                sizes.append(size)
                size = 0
        at += 27 + len(segments) + sum(segments)
    return sizes
