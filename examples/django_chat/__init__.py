"""A chat in Django: users and history in the database, by the ORM.

Start it with `python -m examples.django_chat`.
"""
