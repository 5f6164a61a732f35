"""As many CPU threads as Ray granted, no more."""

import contextlib

import ray


def granted_cpus() -> int | None:
    """CPUs of this Ray task; None outside of Ray, and in a process that only sends tasks to it."""
    if not ray.is_initialized():
        return None
    context = ray.get_runtime_context()
    if context.worker.mode != ray.WORKER_MODE:
        return None
    return max(1, int(context.get_assigned_resources().get("CPU", 1)))


def use_granted_cpus() -> None:
    """Bound TensorFlow's threads; without effect in a process whose TensorFlow has run already."""
    import tensorflow as tf

    cpus = granted_cpus()
    if cpus:
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(cpus)
            tf.config.threading.set_inter_op_parallelism_threads(min(cpus, 2))
