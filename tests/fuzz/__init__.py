"""Inputs that nobody meant, tried by the thousand: `make bench BENCH=fuzz`, and a short run in the suite.

`mutating` spoils real files, `targets` says what takes which input and what must hold, `deliveries` is
the life of a delivery in any order, `running` tries for so many seconds and cuts what fails down.
"""
