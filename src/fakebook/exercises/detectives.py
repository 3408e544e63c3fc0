"""Exercises of chapter 12."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fakebook.exercises import Hint


def precision_by_hand(answer: float) -> None:
    """Six images ranked by score, from most to least suspicious: fake, real, fake, fake, real, real. What is the AP?"""
    if abs(answer - (1 + 2 / 3 + 3 / 4) / 3) < 0.003:
        return
    if abs(answer - 7 / 9) < 0.003:
        raise Hint("that is the AUROC: the share of (fake, real) pairs in the right order; AP averages precisions")
    if abs(answer - (1 + 1 / 2 + 2 / 3 + 3 / 4 + 3 / 5 + 1 / 2) / 6) < 0.003:
        raise Hint("average the precision at the ranks of the three fakes only: elsewhere the recall does not grow")
    if abs(answer - (1 + 2 / 3 + 3 / 4) / 6) < 0.003:
        raise Hint("divide by the number of fakes, not of images: each fake raises the recall by 1/3")
    if abs(answer - 0.5) < 0.003:
        raise Hint("that is the precision when everything is called fake; AP averages it over the ranks of the fakes")
    raise Hint("at the first fake the precision is 1/1; what is it at the second, at the third? Take the mean")


def chance_at_prevalence(answer: float) -> None:
    """One image in ten is fake, and a detector scores at random. What AP does it have, about?"""
    if abs(answer - 0.1) < 0.005:
        return
    if abs(answer - 0.5) < 0.005:
        raise Hint("that is AUROC's chance level, whatever the prevalence; AP's is the precision of random guessing")
    if abs(answer - 0.9) < 0.005:
        raise Hint("that is the accuracy of calling everything real; AP asks how many of the flagged images are fake")
    raise Hint("flag any number of images at random: what share of the flagged ones is fake?")


def best_traveller(answer: str) -> None:
    """In the poster's table 1, which generator should one train on to do best, on average, on the three others?"""
    name = str(answer).strip().lower()
    if name == "pluralistic":
        return
    if name == "ldm":
        raise Hint("its row has one very good cell abroad (0.937), but also 0.574; take the mean of the three")
    if name == "lama":
        raise Hint("0.999 is at home, on the diagonal; leave the diagonal out")
    if name == "repaint":
        raise Hint("rows are trained on, columns tested on: its row averages 0.753 abroad, and another one more")
    raise Hint("answer with one of lama, ldm, pluralistic, repaint")


def leaked(answer: Callable[[list[str], list[str]], set[str]]) -> None:
    """``leaked(train, test)``: the people who stand in both. Files are named PERSON_IMAGE, as in ``anna_03``."""
    train, test = ["anna_01", "anna_02", "bela_01", "cleo_07"], ["cleo_08", "dora_01", "dora_02", "bela_01"]
    result = answer(list(train), list(test))
    if not isinstance(result, set):
        raise Hint("return a set of people, such as {'anna'}")
    if result == {"bela_01"}:
        raise Hint("you compare file names; cleo is in both splits too, on two different photographs")
    if result == {"bela_01", "cleo_07", "cleo_08"} or any("_" in name for name in result):
        raise Hint("return people, not files: what stands before the underscore")
    if result == {"anna", "bela", "cleo", "dora"}:
        raise Hint("those are all the people there are; you want those in both: & and not |")
    if result != {"bela", "cleo"}:
        raise Hint("take the set of people of each list, and intersect the two")
    if answer(["anna_01"], ["dora_01"]) != set():
        raise Hint("where nobody stands in both, the set is empty")


def freeze(answer: Callable[[nn.Module], object]) -> None:
    """``freeze(network)``: nothing in it may change any more, while a head on top is trained."""
    torch_state = torch.random.get_rng_state()
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).train()
    torch.random.set_rng_state(torch_state)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    answer(network)
    images = torch.linspace(-1, 2, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8).requires_grad_()
    features: Tensor = network(images).mean()
    features.backward()
    after = network.state_dict()
    if any(parameter.grad is not None for parameter in network.parameters()):
        raise Hint("the weights still get a gradient: see requires_grad_")
    if any(not torch.equal(before[key], after[key]) for key in before):
        raise Hint("no weight changed, but the batch norm's running mean did: in training mode it follows the batches")
