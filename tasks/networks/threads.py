"""CPU threads and GPUs: what Ray has, and what it granted."""

import contextlib

import ray


def granted_cpus() -> int | None:
    """CPUs that Ray granted this task; None outside of Ray, and in a process that only submits tasks."""
    if not ray.is_initialized():
        return None
    context = ray.get_runtime_context()
    if context.worker.mode != ray.WORKER_MODE:
        return None
    return max(1, int(context.get_assigned_resources().get("CPU", 1)))


def node_resources() -> list[dict[str, float]]:
    """The resources of each living node of the Ray cluster, such as {"CPU": 8.0}."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def has_granted_gpu() -> bool:
    return bool(ray.is_initialized() and ray.get_gpu_ids())


def gpus_of_a_task() -> int:
    """How many GPUs a task that runs a model with TensorFlow is to ask Ray for: one, where a node has one."""
    return int(any(node.get("GPU", 0) >= 1 and node.get("CPU", 0) >= 1 for node in node_resources()))


def memory_of_a_task(most: int) -> int:
    """Bytes that a task that takes `most` is to ask Ray for, so that several wait for each other where all
    of them do not fit: no more than a node has, else Ray would wait for ever.
    """
    return int(min(most, max((node.get("memory", 0) for node in node_resources()), default=0)))


def use_granted_cpus() -> None:
    """Limit TensorFlow's threads to the granted CPUs. No effect once TensorFlow has run in this process."""
    import tensorflow as tf

    cpus = granted_cpus()
    if cpus:
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(cpus)
            tf.config.threading.set_inter_op_parallelism_threads(min(cpus, 2))
