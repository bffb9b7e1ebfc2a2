"""A stored file is read as it was written or refused: damage, forgeries, other versions, bombs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.errors import ArgumentError, FileError
from partialpool.files.container import VERSION

LOADS = {"fit": pp.load, "posterior": pp.load_posterior}


def table(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g, h = np.arange(40) % 6, np.arange(40) // 10
    x = rng.normal(size=40)
    y = x + rng.normal(size=6)[g] + rng.normal(size=4)[h] + rng.normal(size=40)
    return pd.DataFrame({"y": y, "x": x, "f": np.array(list("abc"))[g % 3], "g": g, "h": h})


def one(seed: int) -> Any:
    return pp.lmer("y ~ poly(x, 2) + f + (x | g) + (1 | h)", table(seed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two fits and a posterior, stored."""
    path = tmp_path_factory.mktemp("stored")
    one(1).save(path / "fit")
    one(2).save(path / "other")
    data = pp.load_dataset("pulp")
    post = pp.sample("bright ~ 1 + (1 | operator)", data, chains=2, warmup=30, draws=30, seed=1)
    post.save(path / "posterior")
    return path


def parts_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def seal(parts: dict[str, bytes], kind: str, version: int = VERSION, **how: Any) -> bytes:
    """A file with a true checksum, of any parts."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", how.pop("compression", zipfile.ZIP_STORED)) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        archive.comment = f"partialpool {kind} v{version:04} sha256 {'0' * 64}".encode()
    view = body.getvalue()[:-64]
    return view + hashlib.sha256(view).hexdigest().encode()


def numbers(read: Any) -> list[float]:
    """What a file says, in numbers."""
    fit = getattr(read, "fit", read)
    out = [fit.criterion, fit.sigma, *fit.beta, *fit.theta, *fit.covariance.ravel(), fit.nobs]
    if read is not fit:
        out += [*read.values.ravel(), *read.stats["lp"].ravel(), read.settings.seed]
    return [float(v) for v in out]


@pytest.mark.parametrize("kind", LOADS)
def test_no_damage_changes_a_number(kind: str, folder: Path, tmp_path: Path) -> None:
    whole = (folder / kind).read_bytes()
    other = (folder / "other").read_bytes()
    path = tmp_path / "damaged"
    rng = random.Random(17)
    for turn in range(600):
        content, at = bytearray(whole), rng.randrange(len(whole))
        match turn % 5:
            case 0 | 1:
                content[at] ^= 1 << rng.randrange(8)
            case 2:
                del content[at:]
            case 3:
                del content[at : at + rng.randrange(1, 100)]
            case 4:
                start = rng.randrange(len(other) - 100)
                content[at:at] = other[start : start + rng.randrange(1, 100)]
        path.write_bytes(content)
        with pytest.raises(FileError) as caught:
            LOADS[kind](path)
        assert "\n" not in str(caught.value)


def forged(value: Any, rng: random.Random) -> Any:
    """Something else in the place of a value of JSON."""
    others = [None, True, -1, 0, 10**30, 1e308, "", "x", "nan", [], {}, [[]], {"a": 1}, "é" * 9]
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        if rng.random() < 0.2:
            return {k: v for k, v in value.items() if k != key}
        if rng.random() < 0.1:
            return {**value, "more": 1}
        return {**value, key: forged(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        i = rng.randrange(len(value))
        if rng.random() < 0.3:
            return value[:i] + value[i + 1 :]
        return [*value[:i], forged(value[i], rng), *value[i + 1 :]]
    return rng.choice(others)


@pytest.mark.parametrize("kind", LOADS)
def test_forgeries_with_a_true_checksum_are_held_against_each_other(
    kind: str, folder: Path, tmp_path: Path
) -> None:
    whole = parts_of(folder / kind)
    want = numbers(LOADS[kind](folder / kind))
    path = tmp_path / "forged"
    rng = random.Random(23)
    read = 0
    for turn in range(420):
        parts = dict(whole)
        name = rng.choice([n for n in parts if n.endswith(".json") == (turn % 4 != 0)])
        if name.endswith(".json"):
            parts[name] = json.dumps(forged(json.loads(parts[name]), rng)).encode()
        else:
            changed = bytearray(parts[name])
            # The high bits: a low one is another number that is as good as any.
            changed[rng.randrange(len(changed))] ^= rng.choice([0x80, 0x40, 0xFF])
            parts[name] = bytes(changed)
            if name == "crossproducts.bin" and turn % 8:
                # A forger that knows the whole format may write any numbers, but breaks nothing.
                manifest = json.loads(parts["fit.json"])
                manifest["products"] = hashlib.sha256(parts[name]).hexdigest()
                parts["fit.json"] = json.dumps(manifest).encode()
                name = ""
        path.write_bytes(seal(parts, kind))
        try:
            again = LOADS[kind](path)
        except FileError:
            continue
        read += 1
        if name in ("fit.json", "crossproducts.bin"):
            assert numbers(again) == pytest.approx(want, rel=1e-6), turn
    assert read < 200


def test_parts_of_another_fit_are_noticed(folder: Path, tmp_path: Path) -> None:
    mine, other = parts_of(folder / "fit"), parts_of(folder / "other")
    path = tmp_path / "swapped"
    for name in mine:
        path.write_bytes(seal({**mine, name: other[name]}, "fit"))
        with pytest.raises(FileError, match="damaged"):
            pp.load(path)
    missing = {k: v for k, v in mine.items() if k != "crossproducts.bin"}
    for parts in (missing, {**mine, "more": b""}, {"fit.json": b"{}"}, {}):
        path.write_bytes(seal(parts, "fit"))
        with pytest.raises(FileError, match="damaged"):
            pp.load(path)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"formula": ' * 50_000,
        b"1" * 10_000,
        b"NaN",
        b"\xff",
        b"",
        b'{"formula": "a", "formula": "b"}',
    ],
)
def test_json_that_is_none(text: bytes, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad"
    path.write_bytes(seal({**parts_of(folder / "fit"), "fit.json": text}, "fit"))
    with pytest.raises(FileError, match="damaged"):
        pp.load(path)


def test_nothing_is_unpacked(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    parts = {**parts_of(folder / "fit"), "fit.json": b" " * (1 << 24)}
    path.write_bytes(seal(parts, "fit", compression=zipfile.ZIP_DEFLATED))
    assert path.stat().st_size < 1 << 18
    with pytest.raises(FileError, match="impossible size"):
        pp.load(path)
    # The arrays of a posterior have the size that its settings say, or they are not read.
    parts = parts_of(folder / "posterior")
    manifest = json.loads(parts["posterior.json"])
    manifest["settings"] |= {"chains": 10**9, "draws": 10**9}
    manifest["drawn"] = [10**9, 10**9]
    path.write_bytes(seal({**parts, "posterior.json": json.dumps(manifest).encode()}, "posterior"))
    with pytest.raises(FileError, match="size"):
        pp.load_posterior(path)


def test_other_versions_and_kinds_are_named(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(seal(parts_of(folder / "fit"), "fit", version=VERSION + 1))
    with pytest.raises(FileError, match=f"another version .*format {VERSION + 1}.* fit the model"):
        pp.load(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fit.json", json.dumps({"format": "partialpool fit", "version": 1}))
        archive.writestr("crossproducts.bin", b"")
    with pytest.raises(FileError, match="stored by another version"):
        pp.load(path)
    with pytest.raises(FileError, match=r"not a stored fit; pp\.load_posterior reads it"):
        pp.load(folder / "posterior")
    with pytest.raises(FileError, match=r"not a stored posterior; pp\.load reads it"):
        pp.load_posterior(folder / "fit")


@pytest.mark.parametrize(
    "content",
    [b"", b"text\n", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), os.urandom(300), bytes(5000)],
    ids=["empty", "text", "cut", "empty zip", "noise", "zeros"],
)
def test_what_is_no_stored_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    for kind, load in LOADS.items():
        with pytest.raises(FileError, match=f"not a stored {kind}"):
            load(path)


def test_the_same_fit_gives_the_same_file(folder: Path, tmp_path: Path) -> None:
    one(1).save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (folder / "fit").read_bytes()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", -1),
        ("seed", 2**64),
        ("seed", "1"),
        ("draws", 0),
        ("draws", 3),
        ("chains", True),
        ("target_accept", 1.5),
        ("target_accept", float("nan")),
        ("method", "other"),
        ("why", None),
        ("keep_random", 1),
    ],
)
def test_edited_settings_are_named(field: str, value: Any, folder: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    post = pp.load_posterior(folder / "posterior")
    post.settings = replace(post.settings, **{field: value})
    name = "drawn|'d'" if value == 3 else field
    with pytest.raises(ArgumentError, match=name):
        post.save(tmp_path / "edited")
    assert not list(tmp_path.iterdir())
    parts = parts_of(folder / "posterior")
    manifest = json.loads(parts["posterior.json"])
    manifest["settings"][field] = value
    path = tmp_path / "forged"
    path.write_bytes(seal({**parts, "posterior.json": json.dumps(manifest).encode()}, "posterior"))
    with pytest.raises(FileError):
        pp.load_posterior(path)
