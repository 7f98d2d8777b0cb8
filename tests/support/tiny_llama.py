"""A real OpenAI-compatible server that nobody here wrote: llama.cpp's own, from the `xllamacpp` wheel, on a tiny model
with random weights that is built on the spot. It proves transport and robustness; its text is nonsense by design.

Run as a program (`python -m support.tiny_llama MODEL.gguf PORT`) it serves until its stdin closes; `serve` starts that.
"""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SLOT = 2048
"""Tokens of context of each of the server's slots."""
SLOTS = 2

_WORDS = (  # noqa: SIM905 - a list of a hundred quoted words is unreadable
    "the a of to in is and this value should be check error null missing when not can may will index array loop bug "
    "function method class variable return type input output user query unsafe before after use instead because race "
    "lock key cache timeout retry file path open close leak memory length size condition branch never always test case "
    "edge handle exception raise catch log secret call argument default empty list string number request response off"
).split()

# ChatML without tools: system first, then the turns.
_TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)

_WIDTH, _HEADS, _HIDDEN = 64, 4, 128
# The first dimension of every embedding is this large constant: after normalisation it is a bias, and the first column
# of the output matrix then says how likely each token is. So the text looks like words, and quotes get closed.
_ANCHOR = 8.0


def build(path: Path, *, seed: int = 7) -> None:
    """Write the model, about 0.4 MB."""
    import gguf
    import numpy as np

    kinds = gguf.TokenType
    special = [("<unk>", kinds.UNKNOWN), *((t, kinds.CONTROL) for t in ("<s>", "</s>", "<|im_start|>", "<|im_end|>"))]
    vocabulary = [(text, kind, 0.0) for text, kind in special]
    vocabulary += [(f"<0x{byte:02X}>", kinds.BYTE, 0.0) for byte in range(256)]
    vocabulary += [(chr(code), kinds.NORMAL, -20.0) for code in range(33, 127)]
    vocabulary += [("\u2581", kinds.NORMAL, -5.0)]
    vocabulary += [(f"\u2581{word}", kinds.NORMAL, -10.0 + len(word) / 10) for word in dict.fromkeys(_WORDS)]
    bias = np.array([_likelihood(text, kind is kinds.NORMAL) for text, kind, _ in vocabulary], np.float32)
    bias[2] = 4.0  # the end of the text

    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("loom-tiny-random")
    writer.add_context_length(SLOT * SLOTS)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(_HIDDEN)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_vocab_size(len(vocabulary))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text.encode() for text, _, _ in vocabulary])
    writer.add_token_types([int(kind) for _, kind, _ in vocabulary])
    writer.add_token_scores([score for _, _, score in vocabulary])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_eot_token_id(4)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(_TEMPLATE)
    for name, tensor in _weights(bias, np.random.default_rng(seed)).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _likelihood(text: str, ordinary: bool) -> float:
    if not ordinary:
        return -30.0 if text.startswith("<0x") else -12.0
    if len(text) > 1:
        return 1.0  # a word
    if text.isalpha():
        return -2.0
    by_character = {'"': 3.0, ",": 0.0, ".": 0.0, "\\": -8.0, "`": -8.0} | dict.fromkeys("{}[]", -3.0)
    return by_character.get(text, -1.0 if text.isdigit() else -6.0)


def _weights(bias: Any, random: Any) -> dict[str, Any]:
    """numpy arrays by tensor name."""
    import numpy as np

    def noise(*shape: int, scale: float = 0.02) -> Any:
        return (random.standard_normal(shape) * scale).astype(np.float32)

    embedding = noise(len(bias), _WIDTH, scale=0.2)
    embedding[:, 0] = _ANCHOR
    output = noise(len(bias), _WIDTH, scale=0.35)
    output[:, 0] = bias / np.sqrt(_WIDTH)
    ones = np.ones(_WIDTH, np.float32)
    attention = {f"blk.0.attn_{part}.weight": noise(_WIDTH, _WIDTH) for part in ("q", "k", "v", "output")}
    return {
        "token_embd.weight": embedding,
        "output_norm.weight": ones,
        "output.weight": output,
        "blk.0.attn_norm.weight": ones,
        "blk.0.ffn_norm.weight": ones,
        **attention,
        "blk.0.ffn_gate.weight": noise(_HIDDEN, _WIDTH),
        "blk.0.ffn_up.weight": noise(_HIDDEN, _WIDTH),
        "blk.0.ffn_down.weight": noise(_WIDTH, _HIDDEN),
    }


@contextlib.contextmanager
def serve(model: Path, *, start_s: float = 60.0) -> Iterator[str]:
    """Run the server as a process of its own; yields its origin."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(Path(__file__)), str(model), str(port)]
    log = model.with_suffix(".log")
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdin
        assert process.stdout
        try:
            ready, _, _ = select.select([process.stdout], [], [], start_s)
            line = process.stdout.readline() if ready else b""
            while line and not line.startswith(b"ready"):
                line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"llama.cpp did not start: {log.read_text(errors='replace')[-2000:]}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def main(model: str, port: str) -> None:
    """Serve until stdin closes."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {"loom-tiny"}
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.n_parallel, params.n_ctx = SLOTS, SLOT * SLOTS
    params.n_threads_http, params.warmup, params.use_jinja = 4, False, True
    # More than one thread spins: 32 requests took 97 s on a busy machine of two cores.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print("ready", server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:3])
