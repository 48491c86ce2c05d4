"""Videos in and out: listing, decoding, writing, and videos whose true concepts are known."""
