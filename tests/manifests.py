"""Holds the manifests against Kubernetes' own schemas: `python -m tests.manifests`, which `make lint` runs.

Of a RayCluster the pods are checked. KubeRay's own schema of the rest is in no package registry.
"""

from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

KUBERNETES = "1.37"
FILE = Path(__file__).parent.parent / "deployments" / "kubernetes" / "darkroom.yaml"

Manifest = dict[str, Any]


def main() -> None:
    for manifest in checkable(list(yaml.safe_load_all(FILE.read_text()))):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)  # unknown fields are refused too


def checkable(manifests: list[Manifest]) -> list[Manifest]:
    """Manifests that Kubernetes has schemas of: a RayCluster's pods in place of itself."""
    known = [manifest for manifest in manifests if manifest["kind"] != "RayCluster"]
    return known + [
        {"apiVersion": "v1", "kind": "Pod"}
        | group["template"]
        | {"metadata": {"name": "ray", **group["template"]["metadata"]}}
        for cluster in manifests
        if cluster["kind"] == "RayCluster"
        for group in (cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"])
    ]


if __name__ == "__main__":
    main()
