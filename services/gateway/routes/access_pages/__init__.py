"""The pages on which people sign in, see to what is theirs, and let others in."""

from services.gateway.routes.access_pages import account, keys, people, rights, sign_in

ROUTERS = [sign_in.links, sign_in.router, account.router, keys.router, people.router, rights.router]
