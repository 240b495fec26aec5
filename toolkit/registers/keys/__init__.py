"""From delivered keys to surrogates: the 11-test, the keyed hash, the ring of keys."""

from toolkit.registers.keys.hashing import PersonKeys, hash_bsn, secret_from
from toolkit.registers.keys.numbers import key_of, passes_eleven_test
from toolkit.registers.keys.ring import KeyRing

__all__ = [
    "KeyRing", "PersonKeys", "hash_bsn", "key_of", "passes_eleven_test", "secret_from",
]  # fmt: skip
