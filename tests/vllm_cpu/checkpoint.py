"""Writes a tiny random checkpoint of the Qwen2.5-VL family, with a tokenizer of its own. Run with the server's Python:

    python -m tests.vllm_cpu.checkpoint DIRECTORY

Half a million parameters: it reads images and writes gibberish, by every path that the real geometry takes. The output layer is scaled up so that
its distributions are neither flat nor certain.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

WORDS = (
    "You are a professional ophthalmologist the patient has painless loss of vision in left right eye fundus photograph shows haemorrhage exudate "
    "optic disc macula oedema diagnosis is retinal vein occlusion diabetic retinopathy glaucoma cataract think answer reasoning A B C D E"
)
SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for part in m['content'] %}"
    "{% if part['type'] in ('image', 'image_url') %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{% if not (loop.last and continue_final_message) %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SHARPNESS = 16.0
"""Factor on the output layer: entropies of about 1 to 5 nats of the 6.4 that the vocabulary allows."""


def write(directory: Path) -> None:
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    directory.mkdir(parents=True, exist_ok=True)
    ids, size = _write_tokenizer(directory)
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": size, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "max_position_embeddings": 32768, "tie_word_embeddings": False, "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"], "pad_token_id": ids["<|endoftext|>"],
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 6, 6]},
        },
        vision_config={
            "depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2, "out_hidden_size": 128, "patch_size": 14, "spatial_merge_size": 2,
            "temporal_patch_size": 2, "window_size": 112, "fullatt_block_indexes": [1], "tokens_per_second": 2, "in_channels": 3,
        },
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"], vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"], tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(config).to(torch.bfloat16)
    with torch.no_grad():
        model.lm_head.weight.mul_(SHARPNESS)
    model.generation_config.eos_token_id = ids["<|im_end|>"]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    model.save_pretrained(directory)


def _write_tokenizer(directory: Path) -> tuple[dict[str, int], int]:
    """The ids of the special tokens, and the size of the vocabulary rounded up to whole blocks."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        [WORDS] * 20, trainers.BpeTrainer(vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    )
    raw = json.loads(tokenizer.to_str())["model"]
    (directory / "vocab.json").write_text(json.dumps(raw["vocab"]), encoding="utf-8")
    merges = (pair if isinstance(pair, str) else " ".join(pair) for pair in raw["merges"])
    (directory / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    tokenizer.add_special_tokens(list(SPECIAL))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=32768, chat_template=TEMPLATE
    )
    fast.save_pretrained(directory)
    config = json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))
    config["tokenizer_class"] = "Qwen2Tokenizer"
    (directory / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    (directory / "chat_template.json").write_text(json.dumps({"chat_template": TEMPLATE}), encoding="utf-8")
    pictures = {
        "min_pixels": 56 * 56, "max_pixels": 28 * 28 * 256, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25],
        "image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor",
    }  # fmt: skip
    (directory / "preprocessor_config.json").write_text(json.dumps(pictures), encoding="utf-8")
    return {name: tokenizer.token_to_id(name) for name in SPECIAL}, -(-tokenizer.get_vocab_size() // 64) * 64


if __name__ == "__main__":
    write(Path(sys.argv[1]))
