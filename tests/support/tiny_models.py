"""Tiny randomly initialised checkpoints, saved as the hub stores them, without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
import transformers as t

WORDS = "the cat sat on a mat and heard how much wood it would chuck if it could do so"


def byte_pairs(kind: type = t.PreTrainedTokenizerFast, special: tuple[str, ...] = (), **tokens):
    """A byte-level BPE tokenizer of class `kind`; ids of pad, bos and eos are 0, 1 and 2."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<pad>", "<s>", "</s>", *special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([WORDS] * 4, trainer)
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"} | tokens
    return kind(tokenizer_object=tokenizer, **names)


def whisper(folder: Path) -> None:
    """English-only Whisper with its real special tokens and long form."""
    base = json.loads(byte_pairs().backend_tokenizer.to_str())["model"]
    tokenizer = t.WhisperTokenizer(vocab=base["vocab"], merges=[tuple(m) for m in base["merges"]])
    stamps = [f"<|{i * 0.02:.2f}|>" for i in range(1501)]
    special = ["<|startoftranscript|>", "<|nospeech|>", "<|notimestamps|>", *stamps]
    tokenizer.add_tokens([t.AddedToken(s, special=True) for s in special])
    ids = tokenizer.convert_tokens_to_ids
    config = t.WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=ids("<|endoftext|>"),
        decoder_start_token_id=ids("<|startoftranscript|>"),
        init_std=0.3,
        suppress_tokens=[],
        begin_suppress_tokens=[],
        max_target_positions=64,
    )
    model = t.WhisperForConditionalGeneration(config)
    with torch.no_grad():  # or a random model says nothing but times
        model.model.decoder.embed_tokens.weight[ids("<|endoftext|>") :] *= 0.1
    model.generation_config = t.GenerationConfig(
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=config.eos_token_id,
        decoder_start_token_id=config.decoder_start_token_id,
        no_timestamps_token_id=ids("<|notimestamps|>"),
        max_initial_timestamp_index=50,
        max_length=24,
        is_multilingual=False,
        return_timestamps=False,
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    model.save_pretrained(folder)
    extractor = t.WhisperFeatureExtractor()
    t.WhisperProcessor(extractor, tokenizer).save_pretrained(folder)


def wav2vec2(name: str = "Wav2Vec2", norm: str = "layer") -> Callable[[Path], None]:
    """A saver of a CTC model of wav2vec 2.0's family, as its "large" or "base" was trained."""

    def save(folder: Path) -> None:
        model = getattr(t, name + "ForCTC")(getattr(t, name + "Config")(**_small(norm)))
        model.save_pretrained(folder)
        extractor = t.Wav2Vec2FeatureExtractor(return_attention_mask=norm == "layer")
        t.Wav2Vec2Processor(extractor, _letters(folder)).save_pretrained(folder)

    return save


def wav2vec2_bert(folder: Path) -> None:
    """CTC on log-mel features."""
    config = t.Wav2Vec2BertConfig(
        vocab_size=32,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        feature_projection_input_dim=160,
        pad_token_id=0,
    )
    t.Wav2Vec2BertForCTC(config).save_pretrained(folder)
    extractor = t.SeamlessM4TFeatureExtractor()
    t.Wav2Vec2BertProcessor(extractor, _letters(folder)).save_pretrained(folder)


def _letters(folder: Path) -> t.Wav2Vec2CTCTokenizer:
    vocabulary = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz'"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({c: i for i, c in enumerate(vocabulary)}))
    return t.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))


def _small(norm: str) -> dict:
    return {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "conv_dim": (16, 16, 16),
        "conv_kernel": (10, 8, 4),
        "conv_stride": (5, 8, 4),
        "num_feat_extract_layers": 3,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
        "vocab_size": 32,
        "feat_extract_norm": norm,
        "do_stable_layer_norm": norm == "layer",
        "pad_token_id": 0,
        "squeeze_factor": 2,
        "num_codevectors_per_group": 4,
    }


def parakeet(name: str) -> Callable[[Path], None]:
    """A saver of ParakeetForCTC, ParakeetForRNNT or ParakeetForTDT."""

    def save(folder: Path) -> None:
        tokenizer = byte_pairs(t.ParakeetTokenizer, special=("<blank>",))
        encoder = t.ParakeetEncoderConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            subsampling_conv_channels=8,
        )
        shape = {"encoder_config": encoder, "vocab_size": len(tokenizer), "pad_token_id": 0}
        if name != "CTC":
            shape |= {"decoder_hidden_size": 16, "num_decoder_layers": 1, "blank_token_id": 3}
        model = getattr(t, f"ParakeetFor{name}")(getattr(t, f"Parakeet{name}Config")(**shape))
        if name != "CTC":
            model.generation_config.update(decoder_start_token_id=3, max_new_tokens=60)
        model.save_pretrained(folder)
        extractor = t.ParakeetFeatureExtractor()
        t.ParakeetProcessor(extractor, tokenizer, decoder_type=name.lower()).save_pretrained(folder)

    return save


def speech_encoder_decoder(folder: Path) -> None:
    """A wav2vec 2.0 encoder with a text decoder."""
    tokenizer = byte_pairs()
    encoder = t.Wav2Vec2Config(**_small("layer"))
    decoder = t.BartConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        init_std=0.5,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=32,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        is_decoder=True,
        add_cross_attention=True,
    )
    config = t.SpeechEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 1, 0, 2
    model = t.SpeechEncoderDecoderModel(config=config)
    model.generation_config.update(
        decoder_start_token_id=1, pad_token_id=0, eos_token_id=2, max_length=24
    )
    model.save_pretrained(folder)
    extractor = t.Wav2Vec2FeatureExtractor(return_attention_mask=True)
    t.Wav2Vec2Processor(extractor, tokenizer).save_pretrained(folder)


def speech_to_text(folder: Path) -> None:
    """Speech2Text; its own tokenizer needs sentencepiece, so byte pairs stand in."""
    tokenizer = byte_pairs()
    config = t.Speech2TextConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        conv_channels=32,
        init_std=0.8,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=2,
    )
    model = t.Speech2TextForConditionalGeneration(config)
    model.generation_config = t.GenerationConfig(
        pad_token_id=0, eos_token_id=2, decoder_start_token_id=2, max_length=20
    )
    model.save_pretrained(folder)
    extractor = t.Speech2TextFeatureExtractor()
    t.Wav2Vec2Processor(extractor, tokenizer).save_pretrained(folder)


def moonshine(folder: Path) -> None:
    """Moonshine: a normalisation over time, so padding leaks."""
    tokenizer = byte_pairs()
    config = t.MoonshineConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        encoder_num_hidden_layers=1,
        decoder_num_hidden_layers=1,
        encoder_num_attention_heads=2,
        decoder_num_attention_heads=2,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        initializer_range=0.5,
    )
    t.MoonshineForConditionalGeneration(config).save_pretrained(folder)
    extractor = t.Wav2Vec2FeatureExtractor(return_attention_mask=True, do_normalize=False)
    t.Wav2Vec2Processor(extractor, tokenizer).save_pretrained(folder)


TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}<|audio_bos|><|AUDIO|><|audio_eos|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}</s>{% endfor %}"
)


def qwen2_audio(folder: Path) -> None:
    """An audio language model: chat template, placeholder, Whisper's encoder."""
    tokenizer = byte_pairs(special=("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"))
    config = t.Qwen2AudioConfig(
        audio_config={
            "num_mel_bins": 80,
            "d_model": 16,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
        },
        audio_token_index=3,
    )
    model = t.Qwen2AudioForConditionalGeneration(config)
    model.generation_config.update(
        pad_token_id=0, eos_token_id=2, do_sample=True, temperature=0.7, max_new_tokens=12
    )
    model.save_pretrained(folder)
    extractor = t.WhisperFeatureExtractor(return_attention_mask=True)
    t.Qwen2AudioProcessor(extractor, tokenizer, chat_template=TEMPLATE).save_pretrained(folder)


def save(saver: Callable[[Path], None], folder: Path) -> str:
    """Save a checkpoint whose random weights are the same every time; gives its path."""
    torch.manual_seed(0)
    saver(folder)
    return str(folder)
