"""Chat templates that keep tools: what stands before a model's own template so that calls and their images survive.

Our messages name the tools in the system prompt and return results in plain turns, so a template that knows system,
user, assistant and images is enough. TRL speaks of `tool` messages and `tool_calls`: the preface turns them into the
former, and the model's own template renders the rest as it always does.
"""

from typing import Any

from ..core.errors import InputError

MARK = "{#- medgym: tools in plain turns -#}"
PREFACE = (
    MARK
    + """
{%- set medgym = namespace(messages=[], last='') -%}
{%- for message in messages -%}
    {%- set content = message.content if message.content is not string and message.content
        else [{'type': 'text', 'text': message.content or ''}] -%}
    {%- if message.role == 'tool' -%}
        {%- if medgym.last == 'tool' -%}
            {%- set before = medgym.messages[-1] -%}
            {%- set medgym.messages = medgym.messages[:-1] + [{'role': 'user', 'content': before.content + content}] -%}
        {%- else -%}
            {%- set medgym.messages = medgym.messages + [{'role': 'user', 'content': content}] -%}
        {%- endif -%}
    {%- elif message.role == 'assistant' -%}
        {%- set calls = namespace(text='') -%}
        {%- for call in message.tool_calls or [] -%}
            {%- set call = call.function or call -%}
            {%- set calls.text = calls.text + '\\n<tool_call>\\n{"name": "' + call.name + '", "arguments": '
                + (call.arguments if call.arguments is string else call.arguments | tojson) + '}\\n</tool_call>' -%}
        {%- endfor -%}
        {%- set added = [{'type': 'text', 'text': calls.text}] if calls.text else [] -%}
        {%- set medgym.messages = medgym.messages + [{'role': 'assistant', 'content': content + added}] -%}
    {%- else -%}
        {%- set medgym.messages = medgym.messages + [{'role': message.role, 'content': content}] -%}
    {%- endif -%}
    {%- set medgym.last = message.role -%}
{%- endfor -%}
{%- set messages = medgym.messages -%}
{%- set tools = none -%}
"""
)


def teach(processor: Any) -> Any:
    """Put the preface before a processor's chat template, once, and return the processor.

    Raises:
        InputError: where it has no template.
    """
    template = processor.chat_template or getattr(getattr(processor, "tokenizer", None), "chat_template", None)
    if not isinstance(template, str):
        raise InputError("the model's processor has no chat template: an instruction-tuned model has one")
    if not template.startswith(MARK):
        processor.chat_template = PREFACE + template
    return processor
