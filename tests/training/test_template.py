"""Chat templates: what a model's own loses, and what stands before it keeps."""

import pytest
from typer.testing import CliRunner

from medgym.cli import app
from medgym.core.errors import InputError
from medgym.training import small_policy, teach
from medgym.training.doctor import check_model, check_template
from medgym.training.template import MARK

# As published templates are: users have images, tool messages and calls are not known.
DEAF = """{% for message in messages %}{% if loop.first and message.role != 'system' %}<|im_start|>system
You are a helpful assistant.<|im_end|>
{% endif %}<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}\
{% if part.type == 'image' and message.role == 'user' %}<|vision_start|><|image_pad|><|vision_end|>\
{% elif 'text' in part %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


@pytest.mark.parametrize("architecture", ["qwen3_vl", "qwen2_5_vl"])
def test_what_a_deaf_template_loses_is_kept(architecture: str):
    from trl.chat_template_utils import is_chat_template_prefix_preserving, supports_tool_calling

    processor = small_policy(["a"], architecture=architecture)[1]
    processor.chat_template = DEAF
    assert not supports_tool_calling(processor)
    lost = {each["what"] for each in check_template(processor) if not each["ok"]}
    assert lost == {"call", "images"}
    teach(processor)
    assert all(each["ok"] for each in check_template(processor))
    assert supports_tool_calling(processor)
    assert is_chat_template_prefix_preserving(processor)
    assert processor.chat_template.count(MARK) == teach(processor).chat_template.count(MARK) == 1


def test_results_of_one_turn_are_one_message():
    processor = teach(small_policy(["a"])[1])
    results = [{"role": "tool", "name": "a", "content": [{"type": "text", "text": word}]} for word in ("one", "two")]
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "<think>"}, *results]
    words = processor.apply_chat_template(chat, tokenize=False)
    assert words.endswith("<|im_start|>user\nonetwo<|im_end|>\n")


def test_the_doctor_examines_a_model(tmp_path):
    processor = small_policy(["a"])[1]
    processor.chat_template = DEAF
    processor.save_pretrained(tmp_path / "deaf")
    found = {each["what"]: each for each in check_model(str(tmp_path / "deaf"))}
    assert not found["own template"]["ok"]
    assert found["images"]["about"] == "2 of 2 reach the model"
    assert all(each["ok"] for each in found.values() if each["needed"])
    done = CliRunner().invoke(app, ["doctor", "--model", str(tmp_path / "deaf")])
    assert done.exit_code == 0
    assert "preface" in done.output
    with pytest.raises(InputError, match="no processor"):
        check_model(str(tmp_path / "nowhere"))
    processor.chat_template = None
    with pytest.raises(InputError, match="no chat template"):
        teach(processor)
