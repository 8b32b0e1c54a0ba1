"""Results of a trainer reach Tune, all of them and in order, however suddenly it ends."""

import pytest
import ray
from ray import tune

from jobs.cluster.session import quiet_log

RESULTS = 20


@pytest.fixture(scope="module")
def ray_here(tmp_path_factory):
    with quiet_log(tmp_path_factory.mktemp("ray") / "ray.log"):
        ray.init(
            address="local",
            num_cpus=1,
            include_dashboard=False,
            object_store_memory=80 * 2**20,
            log_to_driver=False,
            logging_level="ERROR",
        )
        yield
        ray.shutdown()


def run(trainable, folder):
    """Return the outcome of one Tune trial and the steps that it reported."""
    seen = []

    class Seen(tune.Callback):
        def on_trial_result(self, *, result, **_info):
            seen.append(result["step"])

        def __reduce__(self):
            return object, ()

    config = tune.RunConfig(storage_path=str(folder), callbacks=[Seen()], verbose=0)
    (result,) = tune.Tuner(trainable, run_config=config).fit()
    return result, seen


def test_nothing_is_lost_and_nobody_waits_when_the_trainer_ends_at_once(ray_here, tmp_path):
    def coordinate(_config):
        from jobs.worker.relay import Relay

        relay = Relay()

        def fit():
            for step in range(RESULTS):
                relay.after_report(None, [{"step": step}, {"step": -1}], None)

        relay.follow(fit)

    result, steps = run(coordinate, tmp_path)

    assert result.error is None
    assert steps == list(range(RESULTS))


def test_results_before_a_failure_arrive_and_the_failure_is_the_trials(ray_here, tmp_path):
    def coordinate(_config):
        from jobs.worker.relay import Relay

        relay = Relay()

        def fit():
            relay.after_report(None, [{"step": 0}], None)
            raise RuntimeError("a worker died")

        relay.follow(fit)

    result, steps = run(coordinate, tmp_path)

    assert "a worker died" in str(result.error)
    assert steps == [0]
