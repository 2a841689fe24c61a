"""Long work as jobs: begun in a request's transaction, done page by page by the service's worker, watched by asking.

A page of rows and the progress it makes are one transaction, so a worker that dies at any point has done a page or has
not. Why no queue from a library: decision 0019.
"""
