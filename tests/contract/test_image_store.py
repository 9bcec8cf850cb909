"""What every `ImageStore` keeps its word on: the same suite over memory and disk."""

from __future__ import annotations

import hashlib
import io
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agent.deps import Deps
from agent.domain import CaseRequest
from agent.errors import ImageError
from agent.imaging import ImageInput, ImageRef
from agent.nodes.intake import intake
from agent.ports import ImageStore
from agent.settings import Intake
from tests.unit.test_images import NAME, dicom, encoded, picture
from tools.images import DiskImageStore, MemoryImageStore, PixelCache

Store = MemoryImageStore | DiskImageStore
Maker = Callable[..., Store]


@pytest.fixture(params=["memory", "disk"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Maker:
    def build(limits: Intake | None = None, cache: PixelCache | None = None) -> Store:
        if request.param == "memory":
            return MemoryImageStore(limits, cache=cache)
        return DiskImageStore(tmp_path / "images", limits, cache=cache)

    return build


def test_is_an_image_store(make: Maker) -> None:
    store: ImageStore = make()
    assert store.put(encoded(picture(), "PNG")).number == 1


def test_put_describes_the_upright_picture(make: Maker) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(picture().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    ref = make().put(data, number=3)
    assert ref == ImageRef(number=3, sha256=hashlib.sha256(data).hexdigest(), media_type="image/jpeg", width=120, height=80)


def test_same_bytes_same_address_and_own_number(make: Maker) -> None:
    store, data = make(), encoded(picture(), "PNG")
    first, second = store.put(data, 1), store.put(data, 2)
    assert first.sha256 == second.sha256
    assert (first.number, second.number) == (1, 2)
    assert store.reference(first.sha256, 5).number == 5


def test_pixels_after_put_are_not_decoded_again(make: Maker) -> None:
    store = make()
    ref = store.put(encoded(picture(), "PNG"))
    assert store.pixels(ref.sha256) is store.pixels(ref.sha256)
    assert store.pixels(ref.sha256).getpixel((5, 5)) == (255, 255, 255)


def test_pixels_come_back_after_leaving_the_cache(make: Maker) -> None:
    store = make(cache=PixelCache(capacity=1))
    refs = [store.put(encoded(picture(120 + i, 80), "PNG")) for i in range(4)]
    assert [store.pixels(r.sha256).size for r in refs] == [(120 + i, 80) for i in range(4)]


def test_unknown_address(make: Maker) -> None:
    store = make()
    for address in ("0" * 64, "../../etc/passwd", "", "F" * 64):
        with pytest.raises(ImageError, match="holds no image"):
            store.pixels(address)
        with pytest.raises(ImageError, match="holds no image"):
            store.reference(address)


def test_refusal_names_the_image_and_keeps_nothing(make: Maker) -> None:
    store = make()
    data = encoded(picture(), "PNG")[:200]
    with pytest.raises(ImageError, match=r"^image 4: "):
        store.put(data, 4)
    with pytest.raises(ImageError):
        store.pixels(hashlib.sha256(data).hexdigest())


def test_limits_are_the_callers(make: Maker) -> None:
    with pytest.raises(ImageError, match="max_image_pixels"):
        make(Intake(max_image_pixels=1000)).put(encoded(picture(), "PNG"))


def test_dicom_keeps_pixels_and_laterality_and_loses_the_patient(make: Maker, tmp_path: Path) -> None:
    store = make(cache=PixelCache(capacity=1))
    ref = store.put(dicom(np.asarray(picture()), ImageLaterality="R"))
    store.put(encoded(picture(70, 70), "PNG"))  # pushes the DICOM pixels out of the cache
    assert (ref.laterality, ref.media_type) == ("right", "application/dicom")
    assert store.reference(ref.sha256) == ref
    assert np.array_equal(np.asarray(store.pixels(ref.sha256)), np.asarray(picture()))
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or NAME.encode() not in file.read_bytes()


@pytest.mark.parametrize("eye", ["R", "L"])
async def test_a_case_by_hash_knows_which_eye_the_dicom_named(make: Maker, doubled: Callable[..., Deps], eye: str) -> None:
    store = make()
    held = store.put(dicom(np.asarray(picture()), ImageLaterality=eye))
    store.put(encoded(picture(70, 70), "PNG"))
    request = CaseRequest(narrative="Red eye.", images=(ImageInput(sha256=held.sha256), ImageInput(sha256=held.sha256)))
    images = (await intake({"request": request}, doubled(images=store)))["images"]
    assert images == (held, held.model_copy(update={"number": 2}))
    assert images[0].laterality == {"R": "right", "L": "left"}[eye]


async def test_a_case_names_the_hash_nobody_holds(make: Maker, doubled: Callable[..., Deps]) -> None:
    request = CaseRequest(images=(ImageInput(sha256="0" * 64),))
    with pytest.raises(ImageError, match=r"^image 1: the image store holds no image"):
        await intake({"request": request}, doubled(images=make()))


def test_threads_agree(make: Maker) -> None:
    store = make(cache=PixelCache(capacity=200_000))
    files = [encoded(picture(100 + i, 90), "PNG") for i in range(6)]
    barrier = threading.Barrier(8)

    def work(seed: int) -> list[tuple[str, tuple[int, int]]]:
        barrier.wait()
        order = np.random.default_rng(seed).permutation(len(files)).tolist()
        found: list[Any] = [(store.put(files[i]).sha256, i) for i in order]
        return sorted((sha256, store.pixels(sha256).size) for sha256, _ in found)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    assert all(result == results[0] for result in results)
    assert {size for _, size in results[0]} == {(100 + i, 90) for i in range(6)}


# --- each on its own -------------------------------------------------------------------------------------------------------


def test_disk_survives_the_process_and_is_private(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "images"
    ref = DiskImageStore(root).put(encoded(picture(), "PNG"))
    again = DiskImageStore(root)
    assert again.reference(ref.sha256) == ref
    assert again.pixels(ref.sha256).size == (120, 80)
    files = [file for file in root.rglob("*") if file.is_file()]
    assert sorted(file.name for file in files) == [ref.sha256, f"{ref.sha256}.json"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_disk_leaves_no_partial_files_when_it_cannot_write(tmp_path: Path) -> None:
    blocker = tmp_path / "images"
    blocker.write_bytes(b"a file where the directory should be")
    with pytest.raises(ImageError, match="cannot be kept"):
        DiskImageStore(blocker).put(encoded(picture(), "PNG"))
    assert list(tmp_path.iterdir()) == [blocker]


def test_disk_notices_a_damaged_file(tmp_path: Path) -> None:
    ref = DiskImageStore(tmp_path).put(encoded(picture(), "PNG"))
    place = next(file for file in tmp_path.rglob("*") if file.name == ref.sha256)
    place.write_bytes(place.read_bytes()[:100])
    with pytest.raises(ImageError):
        DiskImageStore(tmp_path).pixels(ref.sha256)


def test_memory_is_bounded() -> None:
    files = [encoded(picture(100 + i, 90), "PNG") for i in range(3)]
    store = MemoryImageStore(capacity=len(files[0]) + len(files[1]) + 10)
    refs = [store.put(data) for data in files]
    with pytest.raises(ImageError, match="hand the image in again"):
        store.pixels(refs[0].sha256)
    assert store.pixels(refs[2].sha256).size == (102, 90)


def test_cache_is_bounded_by_bytes_but_keeps_the_newest() -> None:
    cache = PixelCache(capacity=100 * 100 * 4 * 2)
    for i in range(3):
        cache.put(str(i), Image.new("RGB", (100, 100)))
    assert cache.get("0") is None
    assert cache.get("1") is not None
    huge = Image.new("RGB", (1000, 1000))
    cache.put("huge", huge)
    assert cache.get("huge") is huge


def test_encoded_bytes_are_what_was_handed_in(tmp_path: Path) -> None:
    data = encoded(picture(), "JPEG")
    ref = DiskImageStore(tmp_path).put(data)
    kept = (tmp_path / ref.sha256[:2] / ref.sha256).read_bytes()
    assert kept == data
    assert Image.open(io.BytesIO(kept)).size == (120, 80)


def test_what_is_removed_is_gone_and_can_come_again(make: Maker) -> None:
    store = make()
    data = encoded(picture(), "JPEG")
    ref = store.put(data)
    assert store.data(ref.sha256) == data
    store.remove(ref.sha256)
    for ask in (store.data, store.reference, store.pixels):
        with pytest.raises(ImageError, match="hand the image in again"):
            ask(ref.sha256)
    store.remove(ref.sha256)
    assert store.put(data) == ref
    assert store.data(ref.sha256) == data
