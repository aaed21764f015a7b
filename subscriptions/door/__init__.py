"""The door of the desk: who has signed in, by password and second factor, and who is locked out."""
