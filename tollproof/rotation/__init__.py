"""What becomes of keys while traffic runs: timed answers in, delays and losses out.

`observation` is one timed answer, `delay` how long a change took, `pace` how often may
be asked, `timeline` the drawing, `making` what many keys tell of how they are made: all
of these are pure. `watch` asks, `scenario` rotates: they alone talk to the target.
"""
