"""The network and how the service loads it."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn


class DigitsLeNet(nn.Module):
    """LeNet for 8 x 8 images: (N, 1, 8, 8) pixels in 0..1 to (N, 10) logits; 7,818 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(64, 64)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(64, 32)
        self.relu4 = nn.ReLU()
        self.dropout = nn.Dropout(0.5)
        self.fc3 = nn.Linear(32, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.pool1(self.relu1(self.conv1(images)))
        x = self.pool2(self.relu2(self.conv2(x)))
        x = self.relu3(self.fc1(self.flatten(x)))
        x = self.dropout(self.relu4(self.fc2(x)))
        logits: torch.Tensor = self.fc3(x)
        return logits


def load_classifier(weights: Path) -> DigitsLeNet:
    """Return the trained network, ready for inference."""
    model = DigitsLeNet()
    model.load_state_dict(load_file(weights))
    return model.eval()
