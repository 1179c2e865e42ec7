"""The fields that stock Knative takes, level by level: what is not here needs a feature flag, or does not exist.

Written from Knative's reference, and from what a real cluster refused. `ANY` is checked elsewhere, or by nobody.
https://knative.dev/docs/serving/reference/serving-api/ and https://knative.dev/docs/eventing/reference/eventing-api/
"""

from __future__ import annotations

from typing import Any

Shape = Any
"""A mapping of fields to shapes, a list of one shape, a type, or `ANY`."""
ANY = object()
TEXTS = {str: str}
"""Any names, with texts."""

METADATA = {
    "name": str,
    "namespace": str,
    "labels": TEXTS,
    "annotations": TEXTS,
    "ownerReferences": [
        {"apiVersion": str, "kind": str, "name": str, "uid": str, "controller": bool, "blockOwnerDeletion": bool}
    ],
}
HANDLER = {
    "httpGet": {"path": str, "port": ANY, "scheme": str, "host": str, "httpHeaders": [{"name": str, "value": str}]},
    "tcpSocket": {"port": ANY, "host": str},
    "exec": {"command": [str]},
    "grpc": {"port": int, "service": str},
}
PROBE = {
    **HANDLER,
    **dict.fromkeys(
        ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"), int
    ),
}
KEYED = {"name": str, "key": str, "optional": bool}
ITEMS = [{"key": str, "path": str, "mode": int}]
CONTAINER = {
    "name": str,
    "image": str,
    "imagePullPolicy": str,
    "command": [str],
    "args": [str],
    "workingDir": str,
    "env": [{"name": str, "value": str, "valueFrom": {"secretKeyRef": KEYED, "configMapKeyRef": KEYED}}],
    "envFrom": [
        {"prefix": str, "secretRef": {"name": str, "optional": bool}, "configMapRef": {"name": str, "optional": bool}}
    ],
    "ports": [{"name": str, "containerPort": int, "protocol": str}],
    "resources": {"requests": {str: ANY}, "limits": {str: ANY}},
    "livenessProbe": PROBE,
    "readinessProbe": PROBE,
    "startupProbe": PROBE,
    "securityContext": {
        "runAsUser": int,
        "runAsGroup": int,
        "runAsNonRoot": bool,
        "readOnlyRootFilesystem": bool,
        "allowPrivilegeEscalation": bool,
        "capabilities": {"drop": [str]},
        "seccompProfile": {"type": str, "localhostProfile": str},
    },
    "terminationMessagePath": str,
    "terminationMessagePolicy": str,
    "volumeMounts": [{"name": str, "mountPath": str, "readOnly": bool, "subPath": str}],
}
POD = {
    "serviceAccountName": str,
    "automountServiceAccountToken": bool,
    "enableServiceLinks": bool,
    "imagePullSecrets": [{"name": str}],
    "containerConcurrency": int,
    "timeoutSeconds": int,
    "responseStartTimeoutSeconds": int,
    "idleTimeoutSeconds": int,
    "containers": [CONTAINER],
    "volumes": [
        {
            "name": str,
            "emptyDir": {"sizeLimit": str, "medium": str},
            "secret": {"secretName": str, "defaultMode": int, "items": ITEMS, "optional": bool},
            "configMap": {"name": str, "defaultMode": int, "items": ITEMS, "optional": bool},
            "projected": {
                "defaultMode": int,
                "sources": [
                    {
                        "secret": {"name": str, "items": ITEMS, "optional": bool},
                        "configMap": {"name": str, "items": ITEMS, "optional": bool},
                        "serviceAccountToken": {"audience": str, "expirationSeconds": int, "path": str},
                        "downwardAPI": ANY,
                    }
                ],
            },
        }
    ],
}
SERVICE = {
    "apiVersion": str,
    "kind": str,
    "metadata": METADATA,
    "spec": {
        "template": {"metadata": {"name": str, "labels": TEXTS, "annotations": TEXTS}, "spec": POD},
        "traffic": [
            {"revisionName": str, "latestRevision": bool, "configurationName": str, "percent": int, "tag": str}
        ],
    },
}
DESTINATION = {"uri": str, "ref": {"apiVersion": str, "kind": str, "namespace": str, "name": str}}
DELIVERY = {
    "retry": int,
    "timeout": str,
    "backoffPolicy": str,
    "backoffDelay": str,
    "deadLetterSink": DESTINATION,
    "format": str,
}
HEAD = {"apiVersion": str, "kind": str, "metadata": METADATA}
REFERENCE = {"apiVersion": str, "kind": str, "namespace": str, "name": str}
BROKER = {**HEAD, "spec": {"config": REFERENCE, "delivery": DELIVERY}}
TRIGGER = {
    **HEAD,
    "spec": {
        "broker": str,
        "filter": {"attributes": TEXTS},
        "filters": [ANY],
        "subscriber": DESTINATION,
        "delivery": DELIVERY,
    },
}
OVERRIDES = {"extensions": TEXTS}
PING_SOURCE = {
    **HEAD,
    "spec": {
        "schedule": str,
        "timezone": str,
        "contentType": str,
        "data": str,
        "dataBase64": str,
        "sink": DESTINATION,
        "ceOverrides": OVERRIDES,
    },
}
CONTAINER_SOURCE = {
    **HEAD,
    "spec": {
        "sink": DESTINATION,
        "ceOverrides": OVERRIDES,
        "template": {"metadata": {"labels": TEXTS, "annotations": TEXTS}, "spec": ANY},
    },
}
