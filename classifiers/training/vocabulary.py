"""The tokenizer: byte-pair encoding over normalised words, Chinese by the character.

No regular expression is in it, so nothing can backtrack; invisible and tag characters
and combining marks are dropped before the split, and full-width and mathematical
letters become plain ones. What the alphabet lacks falls back to bytes, so that no
character is without a token.
"""

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

PAD = "<pad>"


def train(texts, size):
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, continuing_subword_prefix="##"))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.NFKC(),
        normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True),
    ])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=3, show_progress=False, limit_alphabet=6000, continuing_subword_prefix="##",
        special_tokens=[PAD] + [f"<0x{byte:02X}>" for byte in range(256)],
    )
    tokenizer.train_from_iterator(texts, trainer)
    return plain(tokenizer)


def plain(tokenizer):
    """The same tokenizer without special tokens: `<pad>` in a text is text."""
    import json
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(state))
