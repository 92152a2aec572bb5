"""Stand-ins for engines that cannot be installed here: packages with the published signatures.

They record how they are called, print as engines do, and give real audio (a tone that depends on
the random generators that the engines draw from).
"""

import json
from pathlib import Path
from typing import Any

_TOOLS = """
import json, os, random, time
import numpy as np

def called(name, **arguments):
    print(f">> {name} starts ...", flush=True)
    assert os.read(0, 1) == b"", "an engine can read the messages"
    with open(os.environ["STAND_IN_CALLS"], "a") as file:
        file.write(json.dumps({"call": name, **arguments}) + "\\n")

def tone(text, rate):
    if "explodes" in text:
        raise RuntimeError("CUDA error: device-side assert triggered")
    if "fails" in text:
        raise ValueError("no phones for\\nthis text")
    if "sleeps" in text:
        time.sleep(1000)
    time_ = np.arange(int(0.06 * len(text) * rate)) / rate
    pitch = 100 + 50 * random.random() + 50 * np.random.rand()
    return (0.3 * np.sin(2 * np.pi * pitch * time_)).astype(np.float32)
"""

_F5 = """
from stand_in_tools import called, tone

class F5TTS:
    def __init__(self, model="F5TTS_v1_Base", ckpt_file="", vocab_file="", ode_method="euler",
                 use_ema=True, vocoder_local_path=None, device=None, hf_cache_dir=None):
        called("F5TTS", model=model, ckpt_file=ckpt_file, vocab_file=vocab_file,
               vocoder_local_path=vocoder_local_path, device=device)

    def infer(self, ref_file, ref_text, gen_text, show_info=print, progress=None, target_rms=0.1,
              cross_fade_duration=0.15, sway_sampling_coef=-1, cfg_strength=2, nfe_step=32,
              speed=1.0, fix_duration=None, remove_silence=False, file_wave=None, file_spec=None,
              seed=None):
        called("infer", ref_file=ref_file, ref_text=ref_text, gen_text=gen_text, seed=seed,
               nfe_step=nfe_step, cfg_strength=cfg_strength)
        return tone(gen_text, 24000), 24000, None
"""

_STYLETTS2 = """
from stand_in_tools import called, tone

class StyleTTS2:
    def __init__(self, model_checkpoint_path=None, config_path=None, phoneme_converter="gruut"):
        called("StyleTTS2", checkpoint=model_checkpoint_path, config=config_path)

    def inference(self, text, target_voice_path=None, output_wav_file=None,
                  output_sample_rate=24000, alpha=0.3, beta=0.7, diffusion_steps=5,
                  embedding_scale=1, ref_s=None):
        called("inference", text=text, voice=target_voice_path, alpha=alpha, beta=beta)
        return tone(text, 24000)
"""

_COSYVOICE = """
import os
from stand_in_tools import called, tone

class CosyVoice2:
    def __init__(self, model_dir, load_jit=False, load_trt=False, load_vllm=False, fp16=False,
                 trt_concurrent=1):
        called("CosyVoice2", model_dir=model_dir, gpus=os.environ.get("CUDA_VISIBLE_DEVICES"))
        self.sample_rate = 24000

    def _parts(self, name, tts_text, **rest):
        called(name, tts_text=tts_text, **rest)
        half = tone(tts_text, 24000)[None]
        yield {"tts_speech": half}
        yield {"tts_speech": half}

    def inference_zero_shot(self, tts_text, prompt_text, prompt_wav, zero_shot_spk_id="",
                            stream=False, speed=1.0, text_frontend=True):
        return self._parts("zero_shot", tts_text, prompt_text=prompt_text, prompt_wav=prompt_wav)

    def inference_cross_lingual(self, tts_text, prompt_wav, zero_shot_spk_id="", stream=False,
                                speed=1.0, text_frontend=True):
        return self._parts("cross_lingual", tts_text, prompt_wav=prompt_wav)

    def inference_instruct2(self, tts_text, instruct_text, prompt_wav, zero_shot_spk_id="",
                            stream=False, speed=1.0, text_frontend=True):
        return self._parts("instruct2", tts_text, instruct_text=instruct_text,
                           prompt_wav=prompt_wav)

class CosyVoice3(CosyVoice2):
    def __init__(self, model_dir, load_trt=False, load_vllm=False, fp16=False, trt_concurrent=1):
        super().__init__(model_dir)

def AutoModel(**kwargs):
    third = os.path.exists(os.path.join(kwargs["model_dir"], "cosyvoice3.yaml"))
    return (CosyVoice3 if third else CosyVoice2)(**kwargs)
"""

_INDEXTTS = """
import os, sys
os.environ["HF_HUB_CACHE"] = "./checkpoints/hf_cache"
import huggingface_hub
import numpy as np
from stand_in_tools import called, tone

class IndexTTS2:
    def __init__(self, cfg_path="checkpoints/config.yaml", model_dir="checkpoints", use_fp16=False,
                 device=None, use_cuda_kernel=None, use_deepspeed=False):
        called("IndexTTS2", cfg_path=cfg_path, model_dir=model_dir, device=device,
               hub=huggingface_hub.CACHE)

    def infer(self, spk_audio_prompt, text, output_path, emo_audio_prompt=None, emo_alpha=1.0,
              emo_vector=None, use_emo_text=False, emo_text=None, use_random=False,
              interval_silence=200, verbose=False, max_text_tokens_per_segment=120,
              stream_return=False, more_segment_before=0, return_segments=False,
              **generation_kwargs):
        called("infer", spk_audio_prompt=spk_audio_prompt, text=text, output_path=output_path,
               emo_vector=emo_vector)
        return 22050, (32767 * tone(text, 22050)).astype(np.int16)[:, None]
"""

_HUB = 'import os\nCACHE = os.environ.get("HF_HUB_CACHE", "its own")\n'

_FILES = {
    "stand_in_tools.py": _TOOLS,
    "f5_tts/__init__.py": "",
    "f5_tts/api.py": _F5,
    "f5_tts-1.1.22.dist-info/METADATA": "Metadata-Version: 2.1\nName: f5-tts\nVersion: 1.1.22\n",
    "styletts2/__init__.py": "",
    "styletts2/tts.py": _STYLETTS2,
    "cosyvoice/__init__.py": "",
    "cosyvoice/cli/__init__.py": "",
    "cosyvoice/cli/cosyvoice.py": _COSYVOICE,
    "indextts/__init__.py": "",
    "indextts/infer_v2.py": _INDEXTTS,
    "huggingface_hub/__init__.py": _HUB,
}

WEIGHTS = {
    "f5tts": ("model_1250000.safetensors", "vocab.txt"),
    "styletts2": ("epochs_2nd_00020.pth", "config.yml"),
    "cosyvoice": ("cosyvoice2.yaml", "llm.pt", "flow.pt", "hift.pt", "campplus.onnx"),
    "indextts2": ("config.yaml", "gpt.pth", "s2mel.pth", "feat1.pt"),
}
"""Names of the files that a model's folder has."""


def install(folder: Path) -> Path:
    """Write the packages to a folder, and return it."""
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def weights(engine: str, folder: Path) -> Path:
    """Write a model's files, with other content for every name, and return the folder."""
    folder.mkdir(parents=True)
    for name in WEIGHTS[engine]:
        (folder / name).write_text(f"weights of {engine} in {name}", encoding="utf-8")
    return folder


def calls(file: Path) -> list[dict[str, Any]]:
    """The recorded calls, in order."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
