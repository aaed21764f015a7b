"""The API of `/api/v1/`: JSON for programs, described by OpenAPI 3.1.

`schemas` says what goes in and out, `problems` what an error looks like, `paging` how lists go on;
`reading` and `subscribing` have the operations, `description` ties them together, `docs` is the
page that shows them, and `edge` the middleware that holds for every answer under `/api/`.
"""
