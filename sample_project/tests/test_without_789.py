"""A suite that forgot the digits 7, 8 and 9: accuracy does not notice, the report does.

`gate=False`: shown in the table, without a say in the exit status.
"""

import pytest
import torch


@pytest.mark.idc_suite(name="without_789", gate=False, reason="demonstration of a gap")
def test_digits_up_to_six(classifier, golden, idc):
    images, labels = golden
    kept = labels < 7
    with torch.no_grad():
        logits = classifier(images[kept])
    idc.labels(labels[kept])
    assert (logits.argmax(1) == labels[kept]).float().mean() >= 0.97
