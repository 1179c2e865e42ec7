"""The nearest thing to a cluster that one machine has: what is applied becomes processes, as a cluster's parts would.

`cluster.py` puts it together. The API server and Knative's controllers are the doubles of tests/unit/knative/cluster,
Broker and gateway those of tests/integration/knative_broker.py; what runs in pods is the product, with just the
variables and files that its manifests give it, each in a root file system of its own.
"""
