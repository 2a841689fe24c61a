-- A role and a database of its own for each service. PostgreSQL runs this once, when its volume is empty.
-- The same file lies in deploy/k8s/components/postgres; a test keeps the two alike.
\set ON_ERROR_STOP on
\getenv volunteers VOLUNTEERS_PASSWORD
\getenv events EVENTS_PASSWORD
\getenv charity CHARITY_PASSWORD
\getenv gateway GATEWAY_PASSWORD

CREATE ROLE volunteers LOGIN PASSWORD :'volunteers';
CREATE ROLE events LOGIN PASSWORD :'events';
CREATE ROLE charity LOGIN PASSWORD :'charity';
CREATE ROLE gateway LOGIN PASSWORD :'gateway';

-- The built-in collation is the same on every host and outlives upgrades of the C library.
CREATE DATABASE volunteers OWNER volunteers
    TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
CREATE DATABASE events OWNER events
    TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
CREATE DATABASE charity OWNER charity
    TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
CREATE DATABASE gateway OWNER gateway
    TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';

-- An owner keeps its rights; nobody else may even connect.
REVOKE ALL ON DATABASE volunteers, events, charity, gateway FROM PUBLIC;
