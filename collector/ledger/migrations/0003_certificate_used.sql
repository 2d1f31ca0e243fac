-- The end of the newest certificate that the host presented: tells whether the newest one issued ever arrived.
ALTER TABLE host ADD COLUMN certificate_used_until BIGINT;
