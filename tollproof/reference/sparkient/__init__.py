"""The Sparkient API's authentication, as its documentation promises it.

`app` is the way of a request, `credentials` who is calling, `keys` and `decisions`
what is stored, `errors` and `fields` what every answer looks like, `protocol` what is
answered before there is a request. `loopholes` and `blemishes` hold the faults, so
that everything else reads as if there were none.
"""
