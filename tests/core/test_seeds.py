from itertools import product

from tunesmith.core.seeds import derive, generator


def test_a_seed_is_the_same_on_every_machine():
    assert derive(0, "split") == 0x68A30A9F
    assert derive(7, "trial", 3) == derive(7, "trial", "3")


def test_a_seed_has_32_bits_and_differs_by_seed_and_name():
    seeds = [derive(s, name, n) for s, name, n in product(range(10), ("a", "b"), range(20))]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_drawing_for_one_purpose_does_not_shift_another():
    alone = generator(1, "b").random(5)
    generator(1, "a").random(1000)
    assert (generator(1, "b").random(5) == alone).all()
    assert (generator(1, "a").random(5) != alone).all()
