"""A segmenter is a class with `segment(prompts)`; here, all that is as bright as what the prompt marks.

python examples/own_segmenter.py
"""

import gymnasium as gym
import numpy as np

import medgym
from medgym.tools.segmenter import Segmentation, clipped


class AsBright:
    name, needs_truth, takes = "as bright", False, frozenset({"box"})

    def __init__(self, spread=20):
        self.spread = spread

    def segment(self, prompts):
        return [self.one(prompt) for prompt in prompts]

    def one(self, prompt):
        pixels = prompt.source.pixels
        grey = pixels if pixels.ndim == 2 else pixels.mean(2)
        x1, y1, x2, y2 = map(round, prompt.box)
        marked = np.median(grey[y1:y2, x1:x2])
        return Segmentation(clipped(np.abs(grey - marked) < self.spread, prompt))


if __name__ == "__main__":
    medgym.testing.check_segmenter(AsBright(), most=2)
    own = f"{__file__}:AsBright:spread=15"
    env = gym.make("MedTool-v0", segmenter=own, tools=["zoom_in", "sam2"], kinds=["segmentation"], render_mode="ansi")
    env.reset(seed=0)
    call = '{"name": "sam2", "arguments": {"image": 1, "bbox_2d": [200, 200, 260, 260]}}'
    env.step(f"<think>What is as bright as the middle?</think><tool_call>{call}</tool_call>")
    env.step('<think>That is it.</think><answer>{"mask": 2}</answer>')
    print(env.render())
