"""Who is granted how many CPUs."""

import ray

from tasks.networks.threads import gpus_of_a_task, granted_cpus


def test_a_task_has_what_ray_granted_and_who_sends_it_no_bound(one_ray: None):
    assert granted_cpus() is None
    assert gpus_of_a_task() == 0
    assert ray.get(ray.remote(num_cpus=2)(granted_cpus).remote()) == 2
