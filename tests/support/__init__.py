"""What tests share: data, repositories, servers. Import as `support`."""
