"""Measuring candidates by gates, and what the measured values mean for them."""

from collections.abc import Mapping, Sequence

from emoforge.audio import Audio
from emoforge.errors import ConfigError
from emoforge.selection.gates.gate import Gate, Given
from emoforge.selection.gates.signal import Finite


def measure_all(gates: Sequence[Gate], candidate: Audio, given: Given) -> dict[str, float | None]:
    """Gate key → measured value; `finite` alone where samples are not finite.

    A gate that fails and does not measure always is left for later, when the error is kept.
    """
    finite = Finite()
    counted = finite.measure(candidate, given)
    values: dict[str, float | None] = {finite.key: counted}
    if finite.reject(counted):
        return values
    for gate in gates:
        try:
            values[gate.key] = gate.measure(candidate, given)
        except Exception:
            if gate.always:
                raise
    return values


def first_rejection(
    gates: Sequence[Gate], values: Mapping[str, float | None]
) -> tuple[str, str] | None:
    """Name and sentence of the first gate that rejects the stored values, or None.

    Raises ConfigError for a gate that was not measured.
    """
    for gate in (Finite(), *gates):
        if gate.key not in values:
            raise ConfigError(
                f"gate '{gate.name}' was not measured: measured were {', '.join(sorted(values))}"
            )
        value = values[gate.key]
        if value is not None and (sentence := gate.reject(value)):
            return gate.name, sentence
    return None
