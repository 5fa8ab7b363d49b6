"""What a checkpoint's JSON files say, checked. No torch here.

Values that a file leaves out are the reference's own defaults (`qwen_tts`, `MimiConfig`), sizes excepted:
those are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from streamer.engines.qwen3.codec_config import SpeakerConfig
from streamer.engines.qwen3.codec_fields import TOKENIZER, read_speaker
from streamer.engines.qwen3.fields import Fields
from streamer.errors import CheckpointInvalid

Kind = Literal["custom_voice", "base", "voice_design"]
KINDS: tuple[Kind, ...] = ("custom_voice", "base", "voice_design")
SIZES = {"0b6": "0.6B", "1b7": "1.7B"}
"""`tts_model_size` to what people call it."""
FILE = "config.json"
CONTROL = 1024
"""Ids at the end of the talker's vocabulary that are no codes; of these only the end may be said."""
SAMPLING_FILE = "generation_config.json"


@dataclass(frozen=True, slots=True)
class StackConfig:
    """Decoder layers of Qwen3: grouped queries, norms of queries and keys, rotary positions."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    rope_theta: float
    bias: bool


@dataclass(frozen=True, slots=True)
class TalkerConfig:
    """`vocab`: codebook 0 and the codec's control ids. `groups`: codebooks of a frame."""

    stack: StackConfig
    vocab: int
    text_vocab: int
    text_hidden: int
    groups: int
    positions: int


@dataclass(frozen=True, slots=True)
class PredictorConfig:
    """`codes`: entries of each codebook."""

    stack: StackConfig
    codes: int


@dataclass(frozen=True, slots=True)
class Ids:
    """Control ids: of the text vocabulary, then of the talker's."""

    text_pad: int
    text_bos: int
    text_eos: int
    codec_pad: int
    codec_bos: int
    codec_eos: int
    think: int
    nothink: int
    think_bos: int
    think_eos: int


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """`speaker` of Base only. `languages` and `speakers` are names in lower case to ids of the talker's
    vocabulary, `dialects` speakers to the language that replaces Chinese for them. `writer`: the
    version of transformers that wrote the file, or ""."""

    kind: Kind
    size: str
    talker: TalkerConfig
    predictor: PredictorConfig
    speaker: SpeakerConfig | None
    ids: Ids
    languages: Mapping[str, int]
    speakers: Mapping[str, int]
    dialects: Mapping[str, str]
    writer: str = ""

    @property
    def projects(self) -> bool:
        """Whether the predictor is narrower than the talker, and has a projection."""
        return self.talker.stack.hidden != self.predictor.stack.hidden

    @property
    def follows_instructions(self) -> bool:
        """Descriptions for VoiceDesign, styles for a CustomVoice that is not the small one."""
        return self.kind == "voice_design" or (self.kind == "custom_voice" and self.size != "0.6B")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How codes are drawn: codebook 0, then (`sub_`) the others. `top_k` 0 keeps all.

    Greedy still has the repetition penalty and the bans, as the reference has.
    """

    temperature: float = 0.9
    top_k: int = 50
    top_p: float = 1.0
    repetition_penalty: float = 1.05
    sub_temperature: float = 0.9
    sub_top_k: int = 50
    sub_top_p: float = 1.0
    greedy: bool = False
    sub_greedy: bool = False


def read_model(raw: Mapping[str, Any]) -> ModelConfig:
    """The content of config.json. Raises `CheckpointInvalid`."""
    top = Fields(FILE, raw)
    kind = top.choice("tts_model_type", KINDS)
    size = SIZES[top.choice("tts_model_size", tuple(SIZES))]
    top.choice("tokenizer_type", (TOKENIZER,))
    talker = top.fields("talker_config")
    predictor = talker.fields("code_predictor_config")
    hidden = talker.integer("hidden_size")
    heads = talker.integer("num_attention_heads")
    groups = talker.integer("num_code_groups")
    if predictor.integer("num_code_groups", groups) != groups:
        raise predictor.wrong("num_code_groups", f"the talker's {groups}")
    _only_plain(talker)
    _only_plain(predictor)
    dialects = talker.table("spk_is_dialect", {})
    config = ModelConfig(
        kind=kind,
        size=size,
        talker=TalkerConfig(
            stack=_stack(talker, hidden, heads, talker.integer("head_dim", hidden // heads)),
            vocab=talker.integer("vocab_size"),
            text_vocab=talker.integer("text_vocab_size"),
            text_hidden=talker.integer("text_hidden_size"),
            groups=groups,
            positions=talker.integer("max_position_embeddings", 32768),
        ),
        predictor=PredictorConfig(
            stack=_stack(
                predictor,
                predictor.integer("hidden_size"),
                predictor.integer("num_attention_heads"),
                predictor.integer("head_dim", 128),
            ),
            codes=predictor.integer("vocab_size"),
        ),
        speaker=read_speaker(top.fields("speaker_encoder_config", {})) if kind == "base" else None,
        ids=Ids(
            text_pad=top.integer("tts_pad_token_id"),
            text_bos=top.integer("tts_bos_token_id"),
            text_eos=top.integer("tts_eos_token_id"),
            codec_pad=talker.integer("codec_pad_id"),
            codec_bos=talker.integer("codec_bos_id"),
            codec_eos=talker.integer("codec_eos_token_id"),
            think=talker.integer("codec_think_id"),
            nothink=talker.integer("codec_nothink_id"),
            think_bos=talker.integer("codec_think_bos_id"),
            think_eos=talker.integer("codec_think_eos_id"),
        ),
        languages=talker.ids("codec_language_id"),
        speakers=talker.ids("spk_id"),
        dialects={
            name.lower(): language
            for name, language in dialects.items()
            if isinstance(language, str) and language
        },
        writer=top.text("transformers_version", ""),
    )
    _known(config)
    return config


def _known(config: ModelConfig) -> None:
    """Every id has its row: on a GPU a look beyond a table ends the process."""
    talker, ids = config.talker, config.ids
    text = (ids.text_pad, ids.text_bos, ids.text_eos)
    control = (ids.codec_pad, ids.codec_bos, ids.codec_eos)
    thought = (ids.think, ids.nothink, ids.think_bos, ids.think_eos)
    spoken = (*control, *thought, *config.languages.values(), *config.speakers.values())
    if max(text) >= talker.text_vocab or max(spoken) >= talker.vocab:
        raise CheckpointInvalid(f"{FILE}: an id is beyond its vocabulary", file=FILE)
    if max(config.predictor.codes, CONTROL) > talker.vocab:
        raise CheckpointInvalid(f"{FILE}: talker_config.vocab_size is too small", file=FILE)
    if not set(config.dialects.values()) <= set(config.languages):
        raise CheckpointInvalid(f"{FILE}: spk_is_dialect names no language", file=FILE)


def _only_plain(stack: Fields) -> None:
    """Variants that no published checkpoint has and that would be spoken wrongly are refused."""
    stack.fixed({"hidden_act": "silu", "use_sliding_window": False})
    scaling = stack.table("rope_scaling", {})
    if scaling.get("rope_type", scaling.get("type", "default")) != "default":
        raise stack.wrong("rope_scaling", "of the default type")


def _stack(fields: Fields, hidden: int, heads: int, head_dim: int) -> StackConfig:
    kv_heads = fields.integer("num_key_value_heads", heads)
    if heads % kv_heads:
        raise fields.wrong("num_key_value_heads", f"a divisor of {heads}")
    return StackConfig(
        hidden=hidden,
        intermediate=fields.integer("intermediate_size"),
        layers=fields.integer("num_hidden_layers"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        eps=fields.number("rms_norm_eps", 1e-6),
        rope_theta=fields.number("rope_theta", 10000.0),
        bias=fields.flag("attention_bias", False),
    )


def read_sampling(raw: Mapping[str, Any]) -> Sampling:
    """The content of generation_config.json. Raises `CheckpointInvalid`."""
    fields, usual = Fields(SAMPLING_FILE, raw), Sampling()
    return Sampling(
        temperature=fields.number("temperature", usual.temperature),
        top_k=fields.integer("top_k", usual.top_k, least=0),
        top_p=fields.number("top_p", usual.top_p),
        repetition_penalty=fields.number("repetition_penalty", usual.repetition_penalty),
        sub_temperature=fields.number("subtalker_temperature", usual.sub_temperature),
        sub_top_k=fields.integer("subtalker_top_k", usual.sub_top_k, least=0),
        sub_top_p=fields.number("subtalker_top_p", usual.sub_top_p),
        greedy=not fields.flag("do_sample", True),
        sub_greedy=not fields.flag("subtalker_dosample", True),
    )
