-- Two roles and a database for each service: `…_owner` owns the tables and migrates them, the other one is the service.
-- PostgreSQL runs this once, when its volume is empty. The same file lies in deploy/k8s/components/postgres; a test keeps
-- the two alike.
\set ON_ERROR_STOP on
\getenv volunteers VOLUNTEERS_PASSWORD
\getenv volunteers_owner VOLUNTEERS_OWNER_PASSWORD
\getenv events EVENTS_PASSWORD
\getenv events_owner EVENTS_OWNER_PASSWORD
\getenv charity CHARITY_PASSWORD
\getenv charity_owner CHARITY_OWNER_PASSWORD
\getenv gateway GATEWAY_PASSWORD
\getenv gateway_owner GATEWAY_OWNER_PASSWORD

CREATE ROLE volunteers LOGIN PASSWORD :'volunteers';
CREATE ROLE volunteers_owner LOGIN PASSWORD :'volunteers_owner';
CREATE ROLE events LOGIN PASSWORD :'events';
CREATE ROLE events_owner LOGIN PASSWORD :'events_owner';
CREATE ROLE charity LOGIN PASSWORD :'charity';
CREATE ROLE charity_owner LOGIN PASSWORD :'charity_owner';
CREATE ROLE gateway LOGIN PASSWORD :'gateway';
CREATE ROLE gateway_owner LOGIN PASSWORD :'gateway_owner';

-- The built-in collation is the same on every host and outlives upgrades of the C library.
CREATE DATABASE volunteers OWNER volunteers_owner
    TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
CREATE DATABASE events OWNER events_owner
    TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
CREATE DATABASE charity OWNER charity_owner
    TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
CREATE DATABASE gateway OWNER gateway_owner
    TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';

-- An owner keeps its rights. What a service may do with the tables in its database, `migrate` grants.
REVOKE ALL ON DATABASE volunteers, events, charity, gateway FROM PUBLIC;
GRANT CONNECT ON DATABASE volunteers TO volunteers;
GRANT CONNECT ON DATABASE events TO events;
GRANT CONNECT ON DATABASE charity TO charity;
GRANT CONNECT ON DATABASE gateway TO gateway;
-- The gateway makes its read models itself, each in a schema of its own.
GRANT CREATE ON DATABASE gateway TO gateway;
