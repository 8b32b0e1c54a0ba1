"""Templates: MUSIC-AVQA's 33, with answers that MUSIC-AVQA knows."""

from tass_core.data.music_avqa import vocabulary
from tass_core.data.world.templates import TEMPLATES


def test_the_records_are_the_vocabularys_templates_in_its_order():
    assert tuple((item.type, item.content) for item in TEMPLATES) == vocabulary.TEMPLATES


def test_shares_are_those_of_the_updated_test_file():
    assert sum(item.share for item in TEMPLATES) == 9129


def test_priors_weigh_answers_that_exist():
    for item in TEMPLATES:
        assert set(item.prior) <= set(vocabulary.ANSWERS), item.content
        assert all(weight > 0 for weight in item.prior.values()), item.content
