"""Models in stages: one session a stage, run one after the other as if they were one."""
