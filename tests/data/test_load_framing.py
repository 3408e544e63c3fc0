import torch

from fakebook.data import load


def test_close_ups_are_aligned_and_their_factors_say_so():
    close, portrait = load("faces", limit=24, framing="close"), load("faces", limit=24)
    assert close.factors["roll"].abs().max() == 0 and (close.factors["zoom"] == 1).all()
    assert close.fingerprint != portrait.fingerprint
    # The pupils stand in the same place up to the turn of the head.
    spread = [faces.landmarks[:, 2:4].std(dim=0).max().item() for faces in (close, portrait)]
    assert spread[0] / 1.5 < 0.6 * spread[1]
    assert torch.equal(close.identity, portrait.identity)
