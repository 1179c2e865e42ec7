"""Where flows are deployed: this machine now, a Knative cluster later, behind one seam."""
