"""What identifies a profile: results against equal fingerprints may be merged."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from pytest_deepimportance.profile.model import Profile


def content_fingerprint(profile: Profile) -> str:
    """Return a hash of all that decides a result, from weights and settings to reference inputs."""
    digest = hashlib.sha256()
    digest.update(profile.model.fingerprint.encode())
    digest.update(json.dumps(profile.settings, sort_keys=True).encode())
    for space in profile.spaces:
        digest.update(json.dumps([space.name, list(space.neurons)]).encode())
        for clustering in space.clusterings:
            digest.update(np.asarray(clustering.centroids, dtype="<f8").tobytes())
        counts = profile.counts[space.name]
        for array in (counts.codes, counts.classes, counts.counts, counts.fit_counts):
            digest.update(np.ascontiguousarray(array).tobytes())
    if profile.digests is not None:
        digest.update(np.ascontiguousarray(profile.digests).tobytes())
    plain, arrays = profile.statistics.to_parts()
    digest.update(json.dumps(plain, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
