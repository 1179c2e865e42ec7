"""Where flows are deployed: on this machine or on a Knative cluster, behind one seam."""
