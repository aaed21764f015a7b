def fetch(*a,**k): raise NotImplementedError
