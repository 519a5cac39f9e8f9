-- How often somebody has begun to lead each policy: whoever writes what only the leader may write holds its row.
create table leaders (
    policy text primary key,
    term bigint not null
);
