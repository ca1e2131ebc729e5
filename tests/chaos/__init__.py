"""The fault suite: real processes on a real broker, killed and stopped at random, and a truth that is
summed without any code of ours.

    generator ──▶ .events ──▶ reduce-0 reduce-1 ──▶ .partials ──▶ merge-0 merge-1 ──▶ .series .windows .producers
     (sums the truth)  ▲                                                                     │
                       └── a proxy that swallows acknowledgements        watcher: nothing ever falls
                                                                         checker: all of it equals the truth

Reading order: `wire`, `generator`, `worker`, `watcher`, `cluster`, `checker`, `scenario`. `python -m
tests.chaos` is the long form; `test_chaos` the short one, and the broken twins that the checker must catch.
"""
