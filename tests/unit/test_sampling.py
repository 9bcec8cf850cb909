"""Training batches: labels follow what is done to the pictures, and what cannot be known is neither asked for nor punished."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from tools.localizer.augment import imitate_camera
from tools.localizer.classes import CLASSES, DRUSEN, FOVEA, HAEMORRHAGE, HARD_EXUDATE, MICROANEURYSM, OPTIC_DISC, SOFT_EXUDATE
from tools.localizer.losses import PartialLabels, inside
from tools.localizer.sampling import Sample, area, collage, draw_batch, transform, transplant
from tools.localizer.stores import PASSED_OVER, Store, load
from tools.renderer.training_set import write

SIDE = 128
CPU = torch.device("cpu")


def dice(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def squares(*boxes: tuple[float, float, float, float], label: int = HARD_EXUDATE) -> Store:
    """One grey picture per box, white inside the box, which is labelled."""
    images = torch.full((len(boxes), 3, SIDE, SIDE), 90, dtype=torch.uint8)
    corners = torch.zeros(len(boxes), 4, 4)
    classes = torch.full((len(boxes), 4), -1.0)
    for n, (x1, y1, x2, y2) in enumerate(boxes):
        images[n, :, int(y1 * SIDE) : int(y2 * SIDE), int(x1 * SIDE) : int(x2 * SIDE)] = 255
        corners[n, 0], classes[n, 0] = torch.tensor((x1, y1, x2, y2)), label
    return Store(images, corners, classes, torch.zeros(len(boxes), 4, dtype=torch.bool), torch.ones(len(boxes), len(CLASSES)))


def sample_of(store: Store) -> Sample:
    ones = torch.ones(store.classes.shape)
    return Sample(store.images.float() / 255, store.boxes, store.classes, store.faint, store.known, ones, ones)


def test_a_box_stays_on_its_lesion_whatever_is_done_to_the_picture() -> None:
    store = squares(*[(0.4, 0.45, 0.6, 0.55)] * 60)
    seen = transform(sample_of(store), SIDE, dice(1))
    white = seen.images.mean(dim=1) > 0.7
    checked = 0
    for picture, box in zip(white, seen.boxes[:, 0], strict=True):
        y, x = picture.nonzero().float().unbind(1)
        if len(x) < 20 or x.min() < 2 or y.min() < 2 or x.max() > SIDE - 3 or y.max() > SIDE - 3:
            continue  # cut by the frame
        centre = (box[:2] + box[2:]) / 2
        assert (centre - torch.stack([x.mean(), y.mean()])).abs().max() < 2
        # an ellipse turned is no wider than the rectangle around it, and not much narrower than the rectangle itself
        width, height = float(x.max() - x.min() + 1), float(y.max() - y.min() + 1)
        assert 0.65 * width - 2 < float(box[2] - box[0]) < 1.1 * width + 2
        assert 0.65 * height - 2 < float(box[3] - box[1]) < 1.1 * height + 2
        checked += 1
    assert checked > 25


def test_what_a_cut_leaves_too_little_of_is_neither_asked_for_nor_forgotten() -> None:
    store = squares(*[(0.02, 0.02, 0.2, 0.2)] * 80)
    batch = draw_batch(store, torch.arange(80), SIDE, dice(2), cameras=False)
    asked, spared = batch.classes >= 0, batch.ignored_classes >= 0
    assert 10 < int(asked.sum()) < 80
    assert int(spared.sum()) > 0
    assert not bool((asked & spared).any())
    assert bool((area(batch.boxes)[asked] > 4).all())
    assert bool((batch.boxes >= 0).all() and (batch.boxes <= SIDE).all())


def test_faint_lesions_are_ignored() -> None:
    store = squares(*[(0.4, 0.4, 0.6, 0.6)] * 20)
    store.faint[:, 0] = True
    batch = draw_batch(store, torch.arange(20), SIDE, dice(3), cameras=False)
    assert not bool((batch.classes >= 0).any())
    assert bool((batch.ignored_classes == HARD_EXUDATE).any())


def test_a_collage_knows_only_what_both_halves_know() -> None:
    store = squares(*[(0.3, 0.3, 0.7, 0.7)] * 40)
    store.known[::2, DRUSEN] = 0
    sample = sample_of(store)
    mixed = collage(dataclasses.replace(sample, boxes=sample.boxes * SIDE, whole=area(sample.boxes * SIDE)), dice(4), share=1.0)
    assert bool((mixed.known[:, DRUSEN] == 0).all()), "every half has a neighbour that does not know drusen"
    assert bool((mixed.known[:, HARD_EXUDATE] == 1).all())
    assert mixed.boxes.shape[1] == 2 * store.boxes.shape[1]
    parts = area(mixed.boxes.clamp(0, SIDE))[:, [0, 4]].sum(dim=1)
    assert bool((parts <= area(sample.boxes * SIDE)[:, 0] * 1.01).all()), "the halves of one place make at most one lesion"


def test_a_transplanted_lesion_is_seen_and_labelled_and_spares_the_disc() -> None:
    host, donor = squares(*[(0.7, 0.4, 0.9, 0.6)] * 30, label=OPTIC_DISC), squares((0.2, 0.4, 0.35, 0.55), (0.75, 0.45, 0.85, 0.55))
    everything = Store(*(torch.cat([getattr(host, f.name), getattr(donor, f.name)]) for f in dataclasses.fields(Store)))
    before = sample_of(host)
    after = transplant(before, everything, torch.tensor([30, 31]), dice(5), share=1.0)
    given = (after.classes == HARD_EXUDATE).any(dim=1)
    assert 3 < int(given.sum()) < 25
    place = after.boxes[given][after.classes[given] == HARD_EXUDATE]
    assert torch.allclose(place, torch.tensor((0.2, 0.4, 0.35, 0.55)).expand_as(place)), "the lesion over the disc was left out"
    middle = after.images[:, 0, int(0.47 * SIDE), int(0.27 * SIDE)]
    assert bool((middle[given] > 0.5).all())
    assert torch.equal(after.images[~given], before.images[~given])


def test_cameras_keep_range_and_shape_follow_the_seed_and_leave_some_alone() -> None:
    pictures = torch.rand(24, 3, 64, 64, generator=dice(6)) * 0.5 + 0.2
    once, again = imitate_camera(pictures, dice(7)), imitate_camera(pictures, dice(7))
    assert torch.equal(once, again)
    assert once.shape == pictures.shape
    assert float(once.min()) >= 0
    assert float(once.max()) <= 1
    changed = (once - pictures).abs().mean(dim=(1, 2, 3)) > 0.01
    assert 12 < int(changed.sum()) < 24


def test_black_stays_black_behind_every_camera() -> None:
    pictures = torch.zeros(16, 3, 64, 64)
    pictures[:, :, 16:48, 16:48] = 0.5
    seen = imitate_camera(pictures, dice(8))
    assert float(seen[:, :, :4, :4].mean()) < 0.03


def test_drawn_pictures_are_loaded_cropped_with_their_labels(tmp_path: Path) -> None:
    write(tmp_path, 6, 256, seed=4, processes=1)
    store = load(tmp_path, [f"{n:05}" for n in range(6)], 160, CPU, drawn=True)
    assert store.images.shape == (6, 3, 160, 160)
    assert bool((store.known == 1).all())
    boxes = store.boxes[store.classes >= 0]
    assert bool((boxes > -0.02).all() and (boxes < 1.02).all())
    discs = [int((row == OPTIC_DISC).sum()) for row in store.classes]
    assert sum(discs) >= 4
    bright = [float(store.images[n, 0].max()) for n in range(6)]
    assert min(bright) > 60
    lit = (store.images.float().amax(dim=1) > 255 * 0.08).float()
    assert float(lit.mean()) > 0.5, "the black surround was cut away"


def test_real_labels_say_what_their_graders_looked_for(tmp_path: Path) -> None:
    from tools.renderer import Scene, render

    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for name, lines in (("clear", "0 0.5 0.5 0.2 0.2\n"), ("ill", "0 0.5 0.5 0.2 0.2\n1 0.2 0.2 0.1 0.1\n")):
        render(Scene(width=160), seed=1).image.save(tmp_path / "images" / f"{name}.jpg")
        (tmp_path / "labels" / f"{name}.txt").write_text(lines)
    clear, ill = load(tmp_path, ["clear", "ill"], 96, CPU, drawn=False).known
    assert [float(clear[label]) for label in (HARD_EXUDATE, SOFT_EXUDATE, FOVEA)] == [1, 1, 0]
    assert float(clear[MICROANEURYSM]) == pytest.approx(PASSED_OVER)
    assert [float(ill[label]) for label in (OPTIC_DISC, HARD_EXUDATE, HAEMORRHAGE, SOFT_EXUDATE, DRUSEN)] == [1, 1, 1, 0, 0]


def test_rare_classes_are_shown_more_often() -> None:
    store = squares(*[(0.4, 0.4, 0.6, 0.6)] * 10, label=OPTIC_DISC)
    store.classes[0, 1] = DRUSEN
    assert float(store.weights[0]) == 4
    assert float(store.weights[1]) == 1


class TestPartialLabels:
    def loss(self, target: torch.Tensor, known: torch.Tensor, ignored: torch.Tensor | None = None) -> torch.Tensor:
        part = PartialLabels()
        part.known, part.ignored = known[:, None], torch.zeros_like(target) if ignored is None else ignored
        counted: torch.Tensor = part(torch.zeros_like(target), target)
        return counted

    def test_an_unknown_class_costs_nothing_where_nothing_is_assigned(self) -> None:
        known = torch.ones(1, len(CLASSES))
        known[0, DRUSEN] = 0
        cost = self.loss(torch.zeros(1, 2, len(CLASSES)), known)
        assert float(cost[..., DRUSEN].sum()) == 0
        assert float(cost[..., HARD_EXUDATE].sum()) > 0

    def test_a_real_exudate_is_no_druse_but_a_real_haemorrhage_may_be_a_microaneurysm(self) -> None:
        known = torch.zeros(1, len(CLASSES))
        known[0, [OPTIC_DISC, HARD_EXUDATE, HAEMORRHAGE]] = 1
        target = torch.zeros(1, 2, len(CLASSES))
        target[0, 0, HARD_EXUDATE], target[0, 1, HAEMORRHAGE] = 0.8, 0.8
        cost = self.loss(target, known)
        assert float(cost[0, 0, DRUSEN]) > 0
        assert float(cost[0, 0, MICROANEURYSM]) > 0
        assert float(cost[0, 1, MICROANEURYSM]) == 0

    def test_a_drawn_microaneurysm_is_a_haemorrhage_too(self) -> None:
        target = torch.zeros(1, 1, len(CLASSES))
        target[0, 0, MICROANEURYSM] = 1.0
        part = PartialLabels()
        part.known, part.ignored = torch.ones(1, 1, len(CLASSES)), torch.zeros_like(target)
        scores = torch.full_like(target, -20.0)
        scores[..., [MICROANEURYSM, HAEMORRHAGE]] = 20.0
        assert float(part(scores, target).sum()) < 1e-3

    def test_ignored_places_cost_nothing_unless_assigned(self) -> None:
        target, ignored = torch.zeros(1, 2, len(CLASSES)), torch.zeros(1, 2, len(CLASSES))
        ignored[..., HARD_EXUDATE] = 1
        target[0, 1, HARD_EXUDATE] = 0.5
        cost = self.loss(target, torch.ones(1, len(CLASSES)), ignored)
        assert float(cost[0, 0, HARD_EXUDATE]) == 0
        assert float(cost[0, 1, HARD_EXUDATE]) > 0


def test_inside_tells_points_class_by_class() -> None:
    points = torch.tensor([[5.0, 5.0], [50.0, 50.0]])
    boxes = torch.tensor([[[0.0, 0, 10, 10], [40, 40, 60, 60], [0, 0, 0, 0]]])
    table = inside(points, boxes, torch.tensor([[HARD_EXUDATE, DRUSEN, -1]]), len(CLASSES))
    assert table.nonzero().tolist() == [[0, 0, HARD_EXUDATE], [0, 1, DRUSEN]]
    assert float(inside(points, boxes[:, :0], torch.zeros(1, 0), len(CLASSES)).sum()) == 0
