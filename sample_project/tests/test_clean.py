"""The test images as they are. The forward pass happens in a module-scoped fixture."""

import pytest
import torch

pytestmark = pytest.mark.idc_suite(name="clean", requirement="ML-REQ-1")


def test_accuracy(clean, idc):
    idc.labels(clean.labels)  # optional: lets the report show accuracy and the class balance
    assert clean.accuracy() >= 0.96


@pytest.mark.parametrize("digit", range(10))
def test_accuracy_of_each_digit(clean, digit):
    assert clean.accuracy(digit) >= 0.88


def test_one_image_at_a_time_gives_the_same_answers(classifier, golden, clean):
    images, _ = golden
    with torch.inference_mode():
        single = torch.cat([classifier(image.unsqueeze(0)) for image in images[:20]])
    torch.testing.assert_close(single, clean.logits[:20])
