"""The sources' host: one process that listens for all flows whose source has to ask (rss, schedule, directory ...)."""
