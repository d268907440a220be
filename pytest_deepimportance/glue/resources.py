"""Model, reference and profile of a session: from specifications or from the user's fixtures."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_deepimportance.errors import IdcError
from pytest_deepimportance.glue.appending import refuse_profile
from pytest_deepimportance.glue.collection import (
    RECORDING,
    overrides_model,
    overrides_reference,
    overrides_resources,
)
from pytest_deepimportance.glue.keys import SETTINGS, SKIPPED
from pytest_deepimportance.glue.markers import SUITE
from pytest_deepimportance.glue.places import below_root
from pytest_deepimportance.settings import Settings

if TYPE_CHECKING:
    from pytest_deepimportance.data.reference import Reference
    from pytest_deepimportance.glue.recording import Recording
    from pytest_deepimportance.glue.watch import Watch
    from pytest_deepimportance.models.loading import LoadedModel

_LOADED: pytest.StashKey[LoadedModel] = pytest.StashKey()
_REFERENCE: pytest.StashKey[Reference] = pytest.StashKey()


def load_idc_model(config: pytest.Config) -> Any:
    """Return the module that --idc-model names, loaded once per process."""
    settings = _settings(config)
    if settings.model is None:
        pytest.fail(
            "no model to measure: give --idc-model FILE (or ini idc_model), or define a session "
            "fixture idc_model that returns a torch.nn.Module",
            pytrace=False,
        )
    try:
        return _loaded(config, settings).module
    except IdcError as error:
        _give_up(config, settings.model, error)


def _settings(config: pytest.Config) -> Settings:
    """Return the settings; with --no-idc they are read anew, since fixtures must keep working."""
    if SETTINGS in config.stash:
        return config.stash[SETTINGS]
    from pytest_deepimportance.glue.options import settings_of

    return settings_of(config)


def _loaded(config: pytest.Config, settings: Settings) -> LoadedModel:
    if _LOADED not in config.stash:
        from pytest_deepimportance.models.loading import load

        assert settings.model is not None
        config.stash[_LOADED] = load(
            settings.model,
            factory=settings.factory,
            weights=settings.weights,
            allow_pickle=settings.allow_pickle,
            download=settings.download,
            device=settings.device,
            root=config.rootpath,
        )
    return config.stash[_LOADED]


def load_idc_reference(config: pytest.Config) -> Any:
    """Return the open reference that --idc-reference names, or None when there is none."""
    settings = _settings(config)
    if settings.reference is None:
        return None
    if _REFERENCE not in config.stash:
        from pytest_deepimportance.data.references_by_spec import load_reference

        try:
            reference = load_reference(settings.reference, settings)
        except IdcError as error:
            _give_up(config, settings.reference, error)
        reference.descriptor = below_root(reference.descriptor, config.rootpath)
        config.stash[_REFERENCE] = reference
    return config.stash[_REFERENCE]


def _give_up(config: pytest.Config, spec: str, error: IdcError) -> NoReturn:
    """Fail the test that asks for it, or skip it where the file may be absent (idc_missing)."""
    if SKIPPED in config.stash and _absent(spec):
        raise pytest.skip.Exception(config.stash[SKIPPED]) from None
    raise pytest.fail.Exception(str(error), pytrace=False) from None


def prepare_from_specs(recording: Recording, selected: Sequence[pytest.Item]) -> Watch | None:
    """Build or load the profile before the first test, when no user fixture is needed for it.

    Returns:
        The watch of the model that was specified, None where it was not made.

    Raises:
        pytest.UsageError: Model, reference or profile cannot be used.
    """
    settings = recording.settings
    item = selected[0]
    if settings.model is None or overrides_model(item):
        return None
    if settings.profile is None and (settings.reference is None or overrides_reference(item)):
        return None
    missing = missing_files(settings)
    if missing and settings.missing == "skip":
        recording.config.stash[SKIPPED] = f"not measured: {missing} is absent (idc_missing = skip)"
        recording.config.pluginmanager.unregister(recording)
        del recording.config.stash[RECORDING]
        return None
    try:
        model = _loaded(recording.config, settings).module
        source = None if settings.profile else load_idc_reference(recording.config)
        only = settings.append and not any(map(overrides_resources, selected))
        return obtain_watch(recording, model, source, only=only)
    except (IdcError, pytest.fail.Exception) as error:
        if hasattr(recording.config, "workerinput"):
            # A usage error would tear the worker down; each marked test reports it instead.
            return None
        raise pytest.UsageError(str(error)) from error


def missing_files(settings: Settings) -> str:
    """Return the first of model, reference and profile that is a path without a file, or ""."""
    given = (settings.model, settings.profile, settings.reference)
    return next((path for path in map(_absent, given) if path), "")


def _absent(value: str | None) -> str:
    """Return the path in a specification that leads to no file, or ""."""
    if value is None:
        return ""
    if value.startswith("hf:"):
        return "" if _has_folder(value) else value
    path = value.partition(":")[0] if value.partition(":")[0].endswith(".py") else value
    is_path = "/" in path or (":" not in path and Path(path).suffix != "")
    return path if is_path and not Path(path).exists() else ""


def _has_folder(spec: str) -> bool:
    from pytest_deepimportance.data.hf_folders import folder_of

    try:
        folder_of(spec, IdcError, download=False)
    except IdcError:
        return False
    return True


_PROBLEMS = (Exception, pytest.fail.Exception, pytest.skip.Exception)
"""What a user's fixture may raise; an unmarked test must not suffer from it: it never asked."""


def try_profile(recording: Recording, request: pytest.FixtureRequest, model: Any) -> None:
    """Build the profile right after `idc_model` was set up; problems are left to marked tests."""
    try:
        reference = request.getfixturevalue("idc_reference")
        if recording.settings.profile is not None or reference is not None:
            obtain_watch(recording, model, reference)
    except _PROBLEMS:
        # The marked test that needs the profile meets the same problem and reports it as its own.
        return


def profile_of(request: pytest.FixtureRequest) -> Any:
    """Return the profile of the requesting test's model and reference, building it if needed."""
    recording = request.config.stash.get(RECORDING, None)
    if recording is None:
        return None
    item = request.node
    marked = SUITE in item.stash
    try:
        model = request.getfixturevalue("idc_model")
        reference = None
        if recording.settings.profile is None:
            reference = request.getfixturevalue("idc_reference")
        watch = obtain_watch(recording, model, reference)
    except IdcError as error:
        if not marked:
            return None
        pytest.fail(str(error), pytrace=False)
    except _PROBLEMS:
        if not marked:
            return None  # it only lends its turn (a fixture it shares with marked tests)
        raise
    from pytest_deepimportance.glue.watch import WATCH

    item.stash[WATCH] = watch
    return watch.profile


def obtain_watch(recording: Recording, model: Any, reference: Any, *, only: bool = False) -> Watch:
    """Return the watch of this model and reference object, made when it is new.

    Args:
        only: Whether no other will be: data of another profile cannot be added to then.
    """
    from pytest_deepimportance.engine import opening
    from pytest_deepimportance.glue.watch import Watch

    for watch in recording.watches:
        if watch.model is model and watch.reference is reference:
            return watch
    failure = recording.failures.get((id(model), id(reference)))
    if failure is not None:
        raise failure
    model = _checked_module(model)
    settings = recording.settings
    try:
        with recording.suspended():
            profile = _obtain_profile(recording, model, reference).with_m(settings.m)
            if only:
                refuse_profile(recording.config, settings, profile)
    except IdcError as error:
        recording.failures[id(model), id(reference)] = error
        raise
    try:
        recorder = opening.recorder_for(model, profile, settings)
        watch = Watch(model, reference, profile, recorder, settings)
        watch.check()
    except IdcError as error:
        recording.failures[id(model), id(reference)] = error
        raise
    recording.add_watch(watch)
    recording.say_before_tests(profile)
    return watch


def _checked_module(model: Any) -> Any:
    from torch import nn

    if not isinstance(model, nn.Module):
        raise pytest.UsageError(
            f"the fixture idc_model returned {type(model).__name__}, not a torch.nn.Module"
        )
    return model


def _obtain_profile(recording: Recording, model: Any, reference: Any) -> Any:
    from pytest_deepimportance.engine import opening, profiles
    from pytest_deepimportance.errors import ReferenceDataError
    from pytest_deepimportance.glue.progress import progress_for

    settings, config = recording.settings, recording.config
    if settings.profile is not None:
        return profiles.load_profile(settings.profile, model, settings)
    if reference is None:
        raise ReferenceDataError(
            "no reference data: the plugin learns from (training) data which neurons matter",
            fix="Give --idc-reference (or ini idc_reference), define a session fixture "
            "idc_reference, or measure against a stored profile: --idc-profile FILE",
        )
    loaded = config.stash.get(_LOADED, None)
    if loaded is not None and loaded.module is model:
        info = profiles.describe_model(model, shown(settings.model or ""), loaded.notes)
    else:
        info = profiles.describe_model(model)
    with progress_for(config) as progress:
        return profiles.obtain_profile(
            model,
            opening.as_reference(reference, settings),
            settings,
            model_info=info,
            cache=cache_folder(config),
            run_id=getattr(config, "workerinput", {}).get("testrunuid"),
            progress=progress,
        )


def shown(spec: str) -> str:
    """Return a specification as reports name it: a path by its file name."""
    path, colon, attribute = spec.partition(":")
    return Path(path).name + colon + attribute if "/" in path or "\\" in path else spec


def cache_folder(config: pytest.Config) -> Path | None:
    """Return the folder of cached profiles: pytest's own cache, cleared by --cache-clear.

    Without one (`-p no:cacheprovider`, a checkout that cannot be written) the workers of a run
    still share a folder of their own, and a serial run keeps nothing.
    """
    cache = getattr(config, "cache", None)
    if cache is not None:
        try:
            return Path(cache.mkdir("idc"))
        except OSError:
            pass
    run = getattr(config, "workerinput", {}).get("testrunuid")
    return Path(tempfile.gettempdir()) / f"pytest-deepimportance-{run}" if run else None
