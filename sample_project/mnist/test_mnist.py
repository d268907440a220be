"""A suite on MNIST, read by torchvision."""

import pytest
import torch
from mnist_app.data import load_split

pytestmark = pytest.mark.idc_suite(name="mnist")


def test_accuracy(predictions, idc):
    logits, labels = predictions
    idc.labels(labels)
    assert (logits.argmax(1) == labels).float().mean() >= 0.97


@pytest.mark.parametrize("digit", range(10))
def test_accuracy_of_each_digit(predictions, digit):
    logits, labels = predictions
    assert (logits[labels == digit].argmax(1) == digit).float().mean() >= 0.93


def test_dim_writing(mnist_root, classifier, idc):
    test_set = load_split(mnist_root, train=False)
    images = torch.stack([test_set[index][0] for index in range(1000, 1200)])
    labels = test_set.targets[1000:1200]
    with torch.no_grad():
        logits = classifier(0.6 * images)
    idc.labels(labels)
    assert (logits.argmax(1) == labels).float().mean() >= 0.95
